"""What the pages about outcomes show: which outcomes there are to judge, and their numbers, charts and pictures as data for
templates. How outcomes are counted is in `outcomes`."""
