"""Keras layers that Keras itself lacks, registered under the package name."""

from dlnotes.layers.attention_pooling import AttentionPooling
from dlnotes.layers.attentive_rnn import AttentiveRNN
from dlnotes.layers.batch_norm_lstm import BatchNormLSTM
from dlnotes.layers.coupled_lstm_cell import CoupledLSTMCell
from dlnotes.layers.crf import CRF
from dlnotes.layers.entmax_attention import EntmaxAttention
from dlnotes.layers.fixed_batch import FixedBatch
from dlnotes.layers.layer_norm_gru_cell import LayerNormGRUCell
from dlnotes.layers.layer_norm_lstm_cell import LayerNormLSTMCell
from dlnotes.layers.minimal_gated_cell import MinimalGatedCell
from dlnotes.layers.mutated_gru_cell import MutatedGRUCell
from dlnotes.layers.peephole_lstm_cell import PeepholeLSTMCell
from dlnotes.layers.position_embedding import PositionEmbedding
from dlnotes.layers.product_key_memory import ProductKeyMemory
from dlnotes.layers.qrnn import QRNN
from dlnotes.layers.relative_attention import RelativeAttention
from dlnotes.layers.rollout import Rollout
from dlnotes.layers.rwa_cell import RWACell
from dlnotes.layers.saved_model_layer import SavedModelLayer
from dlnotes.layers.selective_attention import SelectiveAttention
from dlnotes.layers.sru import SRU
from dlnotes.layers.stateful import StatefulGRU, StatefulLSTM, StatefulRNN, StatefulSimpleRNN
from dlnotes.layers.time_fold import TimeFold
from dlnotes.layers.transformer_block import TransformerBlock

__all__ = [
    "CRF",
    "QRNN",
    "SRU",
    "AttentionPooling",
    "AttentiveRNN",
    "BatchNormLSTM",
    "CoupledLSTMCell",
    "EntmaxAttention",
    "FixedBatch",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "MinimalGatedCell",
    "MutatedGRUCell",
    "PeepholeLSTMCell",
    "PositionEmbedding",
    "ProductKeyMemory",
    "RWACell",
    "RelativeAttention",
    "Rollout",
    "SavedModelLayer",
    "SelectiveAttention",
    "StatefulGRU",
    "StatefulLSTM",
    "StatefulRNN",
    "StatefulSimpleRNN",
    "TimeFold",
    "TransformerBlock",
]
