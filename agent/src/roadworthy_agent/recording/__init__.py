"""A sanitised recording of this device: what the probes read, with stand-ins for what names a device or a person.

`harvest` finds the names, `stand_ins` invents what takes their place, `replace` puts it there in every spelling,
`shapes` knows the files that need more than that, `record` goes through the probes and writes the folder.
"""
