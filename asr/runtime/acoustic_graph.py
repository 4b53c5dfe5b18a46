"""The acoustic model as ONNX graphs: one for whole utterances, and those for the parts of a stream.

They compute what acoustic/model.py, which trains the network, computes. Recurrent layers take (T', B, D), time first.
"""

from onnx import ModelProto, TensorProto

from asr.config import ModelSettings
from asr.runtime.graph import GraphBuilder, Value
from asr.signal.front_end import frame_layout, subsampled
from asr.weights import Weights

_FAR = 2**62  # beyond the last frame


class AcousticGraphs:
    """Builds graphs of one acoustic model.

    Args:
        weights: The network's.
        settings: Its sizes.
        int8: Whether LSTMs compute in 8 bits.
        narrow: See `GraphBuilder`.
    """

    def __init__(self, weights: Weights, settings: ModelSettings, *, int8: bool, narrow: bool = False) -> None:
        self._weights, self._int8, self._narrow = weights, int8, narrow
        self._acoustic, self._layout = settings.acoustic, frame_layout(settings.features)
        self._directions = ["forward_rnn"] + ["backward_rnn"] * (self._acoustic.direction == "bi")
        self.num_states = self._acoustic.num_layers * (2 if self._acoustic.cell == "lstm" else 1)

    @property
    def num_convolutions(self) -> int:
        """The number of convolutions before the projection."""
        return self._layout.num_convolutions

    def utterance(self) -> ModelProto:
        """Return the graph of an utterance: features (T, F) to log_probs (T', V)."""
        builder = self._start()
        features = builder.input("features", ["T", self._layout.size])
        image = builder.node("Unsqueeze", features, builder.constant([0, 1]))  # (1, 1, T, F)
        for index in range(self.num_convolutions):
            image = self._convolve(builder, index, image, padding=1)
        hidden = self._project(builder, image)
        for index in range(self._acoustic.num_layers):
            hidden = self._block(builder, index, hidden)
        log_probs = self._read_out(builder, hidden)
        builder.output("log_probs", builder.node("Squeeze", log_probs, builder.constant([1])), ["S", "V"])
        return builder.build()

    def batch(self, metadata: dict[str, str]) -> ModelProto:
        """Return the graph of a padded batch: features (B, T, F) and lengths (B,) to log_probs (B, T', V) and lengths.

        Beyond an utterance's length, log_probs are undefined.
        """
        builder = self._start()
        features = builder.input("features", ["B", "T", self._layout.size])
        lengths = builder.input("lengths", ["B"], TensorProto.INT64)
        image = builder.node("Unsqueeze", features, builder.constant([1]))  # (B, 1, T, F)
        for index in range(self.num_convolutions):
            # Padding must be zero before each convolution, like what lies beyond the end of the tensor.
            image = self._convolve(builder, index, self._mask(builder, image, lengths), padding=1)
            lengths = builder.node("Div", builder.node("Add", lengths, builder.constant(1)), builder.constant(2))
        hidden = self._project(builder, image)
        steps = builder.node("Cast", lengths, to=TensorProto.INT32)
        for index in range(self._acoustic.num_layers):
            hidden = self._block(builder, index, hidden, steps)
        log_probs = builder.node("Transpose", self._read_out(builder, hidden), perm=[1, 0, 2])
        builder.output("log_probs", log_probs, ["B", "S", "V"])
        builder.output("num_frames", lengths, ["B"], TensorProto.INT64)
        return builder.build(metadata)

    def convolution(self, index: int) -> ModelProto:
        """Return the graph of a convolution over a stream's frames, without padding at its ends.

        It takes an image (C, T, F'), of which features are the first, with C = 1, and returns the next.
        """
        builder = self._start()
        image = self._convolve(builder, index, self._input_image(builder, index), padding=0)
        builder.output("frames", builder.node("Squeeze", image, builder.constant([0])), ["C", "S", "E"])
        return builder.build()

    def projection(self) -> ModelProto:
        """Return the graph from the last image (C, T', F') to frames (T', D) for the recurrent layers."""
        builder = self._start()
        hidden = self._project(builder, self._input_image(builder, self.num_convolutions))
        builder.output("frames", builder.node("Squeeze", hidden, builder.constant([1])), ["S", "D"])
        return builder.build()

    def image_shape(self, index: int) -> tuple[int, int]:
        """Return C and F' of the image that a convolution takes; that of the last plus one, what the last returns."""
        return self._acoustic.conv_channels if index else 1, subsampled(self._layout.size, index)

    def chunk(self, *, right_context: bool) -> ModelProto:
        """Return the graph of a stream's next chunk.

        Inputs are frames (W, D), the number of those that belong to the chunk, chunk (1,), and the states (K, 1, H) of
        the forward direction before it; outputs are the chunk's log_probs (C, V) and the states after it.

        Args:
            right_context: Whether frames follow the chunk. The graph has no room for none.
        """
        builder = self._start()
        width = self._acoustic.hidden_size
        frames = builder.input("frames", ["W", width * len(self._directions)])
        chunk = builder.input("chunk", [1], TensorProto.INT64)
        states = builder.input("states", [self.num_states, 1, width])
        before = builder.nodes("Split", [states], self.num_states, axis=0)
        hidden, after = builder.node("Unsqueeze", frames, builder.constant([1])), []
        per_layer = self.num_states // self._acoustic.num_layers
        for index in range(self._acoustic.num_layers):
            state = before[index * per_layer :][:per_layer]
            hidden, state = self._stream_block(builder, index, hidden, chunk if right_context else None, state)
            after += state
        log_probs = builder.node(
            "Squeeze", self._read_out(builder, self._first(builder, hidden, chunk)), builder.constant([1])
        )
        builder.output("log_probs", log_probs, ["C", "V"])
        builder.output("states_after", builder.node("Concat", *after, axis=0), [self.num_states, 1, width])
        return builder.build()

    def _start(self) -> GraphBuilder:
        return GraphBuilder(self._weights, int8=self._int8, narrow=self._narrow)

    def _input_image(self, builder: GraphBuilder, index: int) -> Value:
        """Add an input (C, T, F') and return it as (1, C, T, F')."""
        channels, bands = self.image_shape(index)
        return builder.node("Unsqueeze", builder.input("image", [channels, "T", bands]), builder.constant([0]))

    def _convolve(self, builder: GraphBuilder, index: int, image: Value, *, padding: int) -> Value:
        """Convolve (B, C, T, F) with stride 2; `padding` frames of zeros at both ends."""
        name = f"subsampling.convolutions.{index}"
        weight, bias = builder.weight(f"{name}.weight"), builder.weight(f"{name}.bias")
        pads = [padding, 1, padding, 1]
        return builder.node("Relu", builder.node("Conv", image, weight, bias, strides=[2, 2], pads=pads))

    def _mask(self, builder: GraphBuilder, image: Value, lengths: Value) -> Value:
        """Set frames of (B, C, T, F) beyond their utterance's length to zero."""
        size = builder.node("Gather", builder.node("Shape", image), builder.constant(2), axis=0)
        positions = builder.node("Range", builder.constant(0), size, builder.constant(1))
        valid = builder.node("Less", positions, builder.node("Unsqueeze", lengths, builder.constant([1])))  # (B, T)
        mask = builder.node("Unsqueeze", builder.node("Cast", valid, to=TensorProto.FLOAT), builder.constant([1, 3]))
        return builder.node("Mul", image, mask)

    def _project(self, builder: GraphBuilder, image: Value) -> Value:
        """Project (B, C, T', F') to (T', B, D)."""
        frames = builder.node("Transpose", image, perm=[2, 0, 1, 3])
        channels, bands = self.image_shape(self.num_convolutions)
        flat = builder.node("Reshape", frames, builder.constant([0, 0, channels * bands]))
        return builder.linear(flat, "subsampling.projection")

    def _block(self, builder: GraphBuilder, index: int, hidden: Value, lengths: Value = "") -> Value:
        """Add layer norm, recurrence and residual over whole utterances (T', B, D)."""
        normalised = builder.layer_norm(hidden, f"blocks.{index}.norm")
        outputs = builder.recurrent(self._acoustic.cell, normalised, self._prefixes(index), lengths=lengths)[0]
        return builder.node("Add", hidden, outputs)

    def _stream_block(
        self, builder: GraphBuilder, index: int, hidden: Value, chunk: Value | None, state: list[Value]
    ) -> tuple[Value, list[Value]]:
        """Add a block over a chunk and its right context (W, 1, D); `chunk` is None if there is no right context.

        The forward direction continues from a state; the state after the chunk is also returned.
        """
        cell, (forward, *backward) = self._acoustic.cell, self._prefixes(index)
        normalised = builder.layer_norm(hidden, f"blocks.{index}.norm")
        own = normalised if chunk is None else self._first(builder, normalised, chunk)
        outputs, after = builder.recurrent(cell, own, [forward], state=state)
        if chunk is not None:
            context = builder.node("Slice", normalised, chunk, builder.constant([_FAR]), builder.constant([0]))
            rest = builder.recurrent(cell, context, [forward], state=after)[0]
            outputs = builder.node("Concat", outputs, rest, axis=0)
        for layer in backward:
            reverse = builder.recurrent(cell, normalised, [layer], reverse=True)[0]
            outputs = builder.node("Concat", outputs, reverse, axis=-1)
        return builder.node("Add", hidden, outputs), after

    @staticmethod
    def _first(builder: GraphBuilder, hidden: Value, chunk: Value) -> Value:
        """Return the first `chunk` frames."""
        return builder.node("Slice", hidden, builder.constant([0]), chunk, builder.constant([0]))

    def _prefixes(self, index: int) -> list[str]:
        return [f"blocks.{index}.recurrent.{direction}." for direction in self._directions]

    @staticmethod
    def _read_out(builder: GraphBuilder, hidden: Value) -> Value:
        """Apply the CTC head."""
        logits = builder.linear(builder.layer_norm(hidden, "norm"), "head")
        return builder.node("LogSoftmax", logits, axis=-1)
