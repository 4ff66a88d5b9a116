"""What a release and the site of the documentation are made with."""
