"""The network of the Quicksilver paper: two image patches in, one momentum patch out.

Yang, Kwitt, Styner, Niethammer: Quicksilver, NeuroImage 2017. The names of the modules are those of
the published checkpoints, so that their `state_dict` loads key for key.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quicksilver.networks.base import MomentumNetwork

PATCH_SIZE = 15
"""Edge of a patch in voxels: two halvings take 15 to 8 to 5 voxels, and the decoders back again."""

DROPOUT = 0.2


class EncoderBlock(nn.Module):
    """Three 3^3 convolutions, then a strided one that halves the edge (15 to 8, 8 to 5)."""

    def __init__(self, inputs: int, outputs: int, dropout: bool) -> None:
        super().__init__()
        self.conv_input = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.conv_inblock1 = nn.Conv3d(outputs, outputs, 3, padding=1)
        self.conv_inblock2 = nn.Conv3d(outputs, outputs, 3, padding=1)
        self.conv_pooling = nn.Conv3d(outputs, outputs, 2, stride=2, padding=1)
        self.prelu1 = nn.PReLU()
        self.prelu2 = nn.PReLU()
        self.prelu3 = nn.PReLU()
        self.prelu4 = nn.PReLU()
        self.dropout = nn.Dropout(DROPOUT) if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.prelu1(self.conv_input(x)))
        x = self.dropout(self.prelu2(self.conv_inblock1(x)))
        x = self.dropout(self.prelu3(self.conv_inblock2(x)))
        return self.prelu4(self.conv_pooling(x))


class DecoderBlock(nn.Module):
    """A strided transposed convolution that doubles the edge (5 to 8, 8 to 15), then three 3^3
    ones.

    The last block ends without its activation: a momentum has both signs. Its `prelu4` exists all
    the same, because the published checkpoints hold its slope.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, last: bool, dropout: bool) -> None:
        super().__init__()
        self.conv_unpooling = nn.ConvTranspose3d(inputs, inputs, kernel, stride=2, padding=1)
        self.conv_inblock1 = nn.Conv3d(inputs, inputs, 3, padding=1)
        self.conv_inblock2 = nn.Conv3d(inputs, inputs, 3, padding=1)
        self.conv_output = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.prelu1 = nn.PReLU()
        self.prelu2 = nn.PReLU()
        self.prelu3 = nn.PReLU()
        self.prelu4 = nn.PReLU()
        self.last = last
        self.dropout = nn.Dropout(DROPOUT) if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.prelu1(self.conv_unpooling(x))
        x = self.dropout(self.prelu2(self.conv_inblock1(x)))
        x = self.dropout(self.prelu3(self.conv_inblock2(x)))
        x = self.conv_output(x)
        return x if self.last else self.dropout(self.prelu4(x))


class PatchNetwork(MomentumNetwork):
    """Predicts the initial momentum of the geodesic from moving to target, patch by patch.

    `features` is the width of the first encoder block (64 in the paper: 21,826,347 parameters).
    `dropout=True` builds the probabilistic form: dropout of 0.2 (or the `dropout_rate` of a model's
    configuration), active in training mode, after every activation but those of the convolutions
    that pool or unpool, 27 times as in the original.
    `axes_reversed=True` is for weights trained on volumes in the order (z, y, x): the patches are
    turned around the network; its components stay, decoder_x gives the one along x.

    Shapes: moving and target `(N, 1, 15, 15, 15)`, intensities as
    `quicksilver.images.intensity.normalise` scales them; result `(N, 3, 15, 15, 15)`, a momentum in
    voxel units, component c along array axis c.

    >>> network = PatchNetwork(features=2)
    >>> network(torch.zeros(1, 1, 15, 15, 15), torch.zeros(1, 1, 15, 15, 15)).shape
    torch.Size([1, 3, 15, 15, 15])
    """

    def __init__(
        self, features: int = 64, dropout: bool = False, axes_reversed: bool = False
    ) -> None:
        super().__init__()
        f = features
        self.axes_reversed = axes_reversed
        self.encoder_m_1 = EncoderBlock(1, f, dropout)
        self.encoder_t_1 = EncoderBlock(1, f, dropout)
        self.encoder_m_2 = EncoderBlock(f, 2 * f, dropout)
        self.encoder_t_2 = EncoderBlock(f, 2 * f, dropout)
        self.decoder_x_1 = DecoderBlock(4 * f, 2 * f, 2, last=False, dropout=dropout)
        self.decoder_y_1 = DecoderBlock(4 * f, 2 * f, 2, last=False, dropout=dropout)
        self.decoder_z_1 = DecoderBlock(4 * f, 2 * f, 2, last=False, dropout=dropout)
        self.decoder_x_2 = DecoderBlock(2 * f, 1, 3, last=True, dropout=dropout)
        self.decoder_y_2 = DecoderBlock(2 * f, 1, 3, last=True, dropout=dropout)
        self.decoder_z_2 = DecoderBlock(2 * f, 1, 3, last=True, dropout=dropout)

    def forward(self, moving: Tensor, target: Tensor) -> Tensor:
        if self.axes_reversed:
            momentum = self._predict(moving.transpose(2, 4), target.transpose(2, 4))
            return momentum.transpose(2, 4)
        return self._predict(moving, target)

    def outputs(self) -> list[nn.Conv3d]:
        return [
            block.conv_output for block in (self.decoder_x_2, self.decoder_y_2, self.decoder_z_2)
        ]

    def _predict(self, moving: Tensor, target: Tensor) -> Tensor:
        of_moving = self.encoder_m_2(self.encoder_m_1(moving))
        of_target = self.encoder_t_2(self.encoder_t_1(target))
        code = torch.cat((of_moving, of_target), dim=1)
        components = (
            self.decoder_x_2(self.decoder_x_1(code)),
            self.decoder_y_2(self.decoder_y_1(code)),
            self.decoder_z_2(self.decoder_z_1(code)),
        )
        return torch.cat(components, dim=1)
