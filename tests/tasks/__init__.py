"""Tests of secondlook.tasks."""
