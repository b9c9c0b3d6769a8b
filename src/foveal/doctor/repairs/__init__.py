"""What no option mends: the network or its pictures are changed, a file a repair."""
