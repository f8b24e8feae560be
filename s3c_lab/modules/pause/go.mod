module s3c.invalid/programs/pause

go 1.26.0
