"""Tests, laid out as secondlook/ is."""
