"""Pictures of a dataset's images for people to look at: thumbnails and views, encoded again from nothing but pixels."""
