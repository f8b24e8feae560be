"""Azure: login by Microsoft Entra ID, and keys that never leave their vault. The only user of `azure.*`."""
