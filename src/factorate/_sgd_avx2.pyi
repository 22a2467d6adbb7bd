from factorate._sgd import LOOKAHEAD as LOOKAHEAD
from factorate._sgd import PADDING as PADDING
from factorate._sgd import predict as predict
from factorate._sgd import train as train
from factorate._sgd import train_textbook as train_textbook
