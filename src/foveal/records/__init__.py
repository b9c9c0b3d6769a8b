"""What a training or a search leaves on the disk, and how it is read again."""
