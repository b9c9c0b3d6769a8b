"""Keras 3 on torch or on JAX (KERAS_BACKEND): the same network written in Keras, the same weights, `fit`.

Keras has neither ResNet-18 nor EfficientNet-Lite0, so both are written here layer by layer, and take the
torch weights in their order; the first loss is therefore everybody's. Preset `own`: `fit`'s batch of 32,
fp32, channels last as Keras has it. Pictures come from torch's DataLoader, as its guide shows for both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import job as jobs
import keras
import numpy as np
from keras import layers

from pictures import loaders, network

LITE0 = ((1, 16, 3, 1, 1), (2, 24, 3, 2, 6), (2, 40, 5, 2, 6), (3, 80, 3, 2, 6), (3, 112, 5, 1, 6),
         (4, 192, 5, 2, 6), (1, 320, 3, 1, 6))  # fmt: skip
"""Repeats, channels, kernel, stride, expansion."""


class Made:
    """A network in the making; keeps its layers in the order they were made, which is torch's."""

    def __init__(self, size: int) -> None:
        self.input = keras.Input((size, size, 3))
        self.layers: list[Any] = []

    def __call__(self, x: Any, layer: Any) -> Any:
        self.layers.append(layer)
        return layer(x)

    def done(self, x: Any, classes: int) -> Any:
        x = self(layers.GlobalAveragePooling2D()(x), layers.Dense(classes, dtype="float32"))
        return keras.Model(self.input, x)


def resnet18(made: Made, classes: int) -> Any:
    """He et al. 2015, as torchvision builds it, its padding included."""

    def unit(x: Any, channels: int, kernel: int, stride: int = 1, relu: bool = True) -> Any:
        x = layers.ZeroPadding2D(kernel // 2)(x) if kernel > 1 else x
        x = made(x, layers.Conv2D(channels, kernel, stride, use_bias=False))
        x = made(x, layers.BatchNormalization(momentum=0.9, epsilon=1e-5))
        return layers.ReLU()(x) if relu else x

    x = unit(made.input, 64, 7, 2)
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))  # after ReLU, zeros are the smallest there is
    for stage, channels in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            y = unit(unit(x, channels, 3, stride), channels, 3, relu=False)
            x = unit(x, channels, 1, stride, relu=False) if stride == 2 else x
            x = layers.ReLU()(layers.Add()([x, y]))
    return made.done(x, classes)


def lite0(made: Made, classes: int) -> Any:
    """Liu 2020, as timm builds `tf_efficientnet_lite0`, with TensorFlow's padding."""

    def unit(x: Any, layer: Any, activation: bool = True) -> Any:
        x = made(made(x, layer), layers.BatchNormalization(momentum=0.9, epsilon=1e-3))
        return layers.ReLU(6)(x) if activation else x

    x = unit(made.input, layers.Conv2D(32, 3, 2, "same", use_bias=False))
    for repeats, channels, kernel, first, expansion in LITE0:
        for n in range(repeats):
            y, before = x, int(x.shape[-1])
            stride = 1 if n else first
            if expansion > 1:
                y = unit(y, layers.Conv2D(before * expansion, 1, use_bias=False))
            y = unit(y, layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False))
            y = unit(y, layers.Conv2D(channels, 1, use_bias=False), activation=False)
            x = layers.Add()([x, y]) if stride == 1 and before == channels else y
    return made.done(unit(x, layers.Conv2D(1280, 1, use_bias=False)), classes)


def built(job: jobs.Job) -> Any:
    """The Keras network with the torch network's weights."""
    made = Made(job.size)
    model = (lite0 if job.network == "efficientnet_lite0" else resnet18)(made, job.classes)
    state = network(job).state_dict()
    theirs = iter([v.numpy() for k, v in state.items() if not k.endswith("num_batches_tracked")])
    for layer in made.layers:
        layer.set_weights([_turned(next(theirs), layer) for _ in layer.get_weights()])
    assert next(theirs, None) is None, "the two networks have other layers"
    return model


def _turned(array: np.ndarray, layer: Any) -> np.ndarray:
    """A torch tensor as the Keras layer holds it."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return array.transpose(2, 3, 0, 1)
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


class Noted(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """Notes every step and epoch; the validation of `fit` lies between them."""

    def __init__(self, watch: jobs.Watch, batch: int) -> None:
        super().__init__()
        self.watch, self.batch = watch, batch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.watch.losses.append(float((logs or {}).get("loss", 0.0)))  # waits for JAX, too
        self.watch.step(self.batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.watch.epoch((logs or {}).get("val_accuracy"))


def channels_last(loader: Any) -> Iterator[Any]:
    """A torch loader's batches as Keras takes them."""
    for images, labels in loader:
        yield images.permute(0, 2, 3, 1).numpy(), labels.numpy()


def main() -> None:
    job = jobs.read()
    if job.preset == "own":
        job = dataclasses.replace(job, precision="fp32", batch=32)
    keras.utils.set_random_seed(job.seed)
    if job.precision == "bf16":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    train, check = loaders(job, job.batch)
    model = built(job)
    optimizer = keras.optimizers.SGD(job.lr, job.momentum, weight_decay=job.weight_decay or None)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    watch = jobs.Watch(job)
    for epoch in range(job.epochs):  # an iterator a time: fit would want to know its length
        model.fit(
            channels_last(train), epochs=epoch + 1, initial_epoch=epoch, steps_per_epoch=len(train), verbose=0,
            validation_data=channels_last(check), validation_steps=len(check),
            callbacks=[Noted(watch, job.batch)],
        )  # fmt: skip
    watch.answer(
        batch=job.batch, precision=job.precision, backend=keras.backend.backend(), loss=watch.losses[-1]
    )


if __name__ == "__main__":
    main()
