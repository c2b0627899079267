"""Tests of secondlook.execution."""
