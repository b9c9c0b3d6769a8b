"""Tests by component, each a file: something small is tried with the network, its loss or its pictures."""
