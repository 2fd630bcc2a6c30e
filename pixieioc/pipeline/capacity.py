"""What a link holds before its sender has to wait."""

#: Items.
CAPACITY = 16
#: Bytes of the memory that the ends of a link share. What does not fit in it goes through the socket.
MEMORY = 32 * 1024**2
