"""Azure: who we are there (Microsoft Entra ID) and keys that never leave their vault. The only user of `azure.*`."""
