include "_topk.pyx"
