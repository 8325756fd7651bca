"""Declare a loss once, as mathematics; get tested code for every framework."""
