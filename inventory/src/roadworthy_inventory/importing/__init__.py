"""Files of others become typed rows: bytes are read, formats recognised, values parsed, bad rows set aside.

The caller opens the file and stores what comes out; nothing here touches a disk or a clock.
"""
