"""A Channel Access server in pure Python: caproto's types and codes, circuits and fan-out of our own."""
