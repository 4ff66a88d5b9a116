"""The content of a dataset in blob storage: names of blobs, and manifests. Client and engine write it in the same way."""
