"""Tests of secondlook.pipeline."""
