"""`s3c find`: which images hold a package, a licence or a vulnerability, by the signed documents beside them."""
