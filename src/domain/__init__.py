"""The rules of Weighbridge: training, weighing, releasing and serving, free of any I/O."""
