"""Tests of secondlook.domain."""
