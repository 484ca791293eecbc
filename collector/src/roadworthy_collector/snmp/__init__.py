"""SNMP and Redfish: power units, printers, switches and management controllers as measured devices."""
