"""What Windows offers to be read, live through ctypes or recorded in a tree."""
