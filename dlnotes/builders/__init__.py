"""Functions that return an uncompiled functional `keras.Model`, each with its search space."""

from dlnotes.builders.bidirectional_lstm import bidirectional_lstm, bidirectional_lstm_space
from dlnotes.builders.char_rnn import char_rnn, char_rnn_space
from dlnotes.builders.cnn_lstm import cnn_lstm, cnn_lstm_space
from dlnotes.builders.conv_lstm import conv_lstm, conv_lstm_space
from dlnotes.builders.crf_tagger import crf_tagger, crf_tagger_space
from dlnotes.builders.dropout_lstm import dropout_lstm, dropout_lstm_space
from dlnotes.builders.encoder_decoder import encoder_decoder, encoder_decoder_space
from dlnotes.builders.entity_embedding_network import (
    RandomUnseen,
    entity_embedding_network,
    entity_embedding_network_space,
)
from dlnotes.builders.fast_rnn import fast_rnn, fast_rnn_space
from dlnotes.builders.forecaster import forecaster, forecaster_space
from dlnotes.builders.gated_rnn import gated_rnn, gated_rnn_space
from dlnotes.builders.hierarchical_attention import (
    hierarchical_attention,
    hierarchical_attention_space,
)
from dlnotes.builders.hierarchical_rnn import hierarchical_rnn, hierarchical_rnn_space
from dlnotes.builders.mc_dropout_network import mc_dropout_network, mc_dropout_network_space
from dlnotes.builders.memory_transformer import (
    memory_transformer,
    memory_transformer_space,
)
from dlnotes.builders.mlp import mlp, mlp_space
from dlnotes.builders.multi_io_network import multi_io_network, multi_io_network_space
from dlnotes.builders.normalized_rnn import normalized_rnn, normalized_rnn_space
from dlnotes.builders.pooled_lstm import pooled_lstm, pooled_lstm_space
from dlnotes.builders.pretrained_text_classifier import (
    pretrained_text_classifier,
    pretrained_text_classifier_space,
)
from dlnotes.builders.sequence_autoencoder import (
    sequence_autoencoder,
    sequence_autoencoder_space,
)
from dlnotes.builders.sparse_transformer import (
    sparse_transformer,
    sparse_transformer_space,
)
from dlnotes.builders.stacked_rnn import stacked_rnn, stacked_rnn_space
from dlnotes.builders.stateful_lstm import stateful_lstm, stateful_lstm_space
from dlnotes.builders.time_distributed_lstm import (
    time_distributed_lstm,
    time_distributed_lstm_space,
)
from dlnotes.builders.transformer import transformer, transformer_space

__all__ = [
    "RandomUnseen",
    "bidirectional_lstm",
    "bidirectional_lstm_space",
    "char_rnn",
    "char_rnn_space",
    "cnn_lstm",
    "cnn_lstm_space",
    "conv_lstm",
    "conv_lstm_space",
    "crf_tagger",
    "crf_tagger_space",
    "dropout_lstm",
    "dropout_lstm_space",
    "encoder_decoder",
    "encoder_decoder_space",
    "entity_embedding_network",
    "entity_embedding_network_space",
    "fast_rnn",
    "fast_rnn_space",
    "forecaster",
    "forecaster_space",
    "gated_rnn",
    "gated_rnn_space",
    "hierarchical_attention",
    "hierarchical_attention_space",
    "hierarchical_rnn",
    "hierarchical_rnn_space",
    "mc_dropout_network",
    "mc_dropout_network_space",
    "memory_transformer",
    "memory_transformer_space",
    "mlp",
    "mlp_space",
    "multi_io_network",
    "multi_io_network_space",
    "normalized_rnn",
    "normalized_rnn_space",
    "pooled_lstm",
    "pooled_lstm_space",
    "pretrained_text_classifier",
    "pretrained_text_classifier_space",
    "sequence_autoencoder",
    "sequence_autoencoder_space",
    "sparse_transformer",
    "sparse_transformer_space",
    "stacked_rnn",
    "stacked_rnn_space",
    "stateful_lstm",
    "stateful_lstm_space",
    "time_distributed_lstm",
    "time_distributed_lstm_space",
    "transformer",
    "transformer_space",
]
