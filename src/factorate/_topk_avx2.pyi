from factorate._topk import GROUP as GROUP
from factorate._topk import PANEL_BYTES as PANEL_BYTES
from factorate._topk import pack as pack
from factorate._topk import propose as propose
from factorate._topk import select as select
