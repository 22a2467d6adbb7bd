include "_sgd.pyx"
