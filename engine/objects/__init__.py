"""Where files of models and jobs are kept: a folder, or a blob container."""
