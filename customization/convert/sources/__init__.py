"""What the files and folders of a source say before they are labels: text, XML, units, splits, where the images are."""
