"""Masks of the people in crops."""
