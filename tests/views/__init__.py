"""Tests of secondlook.views."""
