"""List-mode data of the Pixie-16: bytes in, columns out. No files, no sockets, no clock."""
