"""What there is to compute with: devices, memory, processes, and how a network is spread over them."""
