"""What no option mends: a network is changed after it was built, a file a repair. A card's `repairs` names them."""
