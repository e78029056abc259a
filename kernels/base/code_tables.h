#ifndef QUANTD_KERNELS_BASE_CODE_TABLES_H_
#define QUANTD_KERNELS_BASE_CODE_TABLES_H_

// The values of CodeTable (quant_format.h), by code. Plain constants only: files compiled for one
// instruction set include this.

namespace quantd {

inline constexpr int kTableCodes = 16;

/// kIq4Nl and kE2M1 are integers, so that they can be multiplied as such.
inline constexpr signed char kIq4NlTable[kTableCodes] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                         1,    13,   25,  38,  53,  69,  89,  113};
inline constexpr signed char kE2M1Table[kTableCodes] = {0, 1,  2,  3,  4,  6,  8,  12,
                                                        0, -1, -2, -3, -4, -6, -8, -12};
inline constexpr float kNf4Table[kTableCodes] = {-1.0f,
                                                 -0.6961928009986877f,
                                                 -0.5250730514526367f,
                                                 -0.39491748809814453f,
                                                 -0.28444138169288635f,
                                                 -0.18477343022823334f,
                                                 -0.09105003625154495f,
                                                 0.0f,
                                                 0.07958029955625534f,
                                                 0.16093020141124725f,
                                                 0.24611230194568634f,
                                                 0.33791524171829224f,
                                                 0.44070982933044434f,
                                                 0.5626170039176941f,
                                                 0.7229568362236023f,
                                                 1.0f};
inline constexpr float kFp4Table[kTableCodes] = {
    0.0f, 0.0052083335f,  0.6666667f,  1.0f,  0.33333334f,  0.5f,  0.16666667f,  0.25f,
    0.0f, -0.0052083335f, -0.6666667f, -1.0f, -0.33333334f, -0.5f, -0.16666667f, -0.25f};

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_CODE_TABLES_H_
