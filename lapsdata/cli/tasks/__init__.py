"""What `lapsdata evaluate --task` hands over to: one file per task."""
