"""Tests of secondlook.providers."""
