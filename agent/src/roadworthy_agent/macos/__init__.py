"""What macOS offers to be read, live through ctypes and a few of Apple's programs, or recorded in a tree."""
