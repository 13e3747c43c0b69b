//! Hashes that Go itself computed: what `runtime.memhash` and its kin returned under one seed, with
//! the secrets of the process, which the program read through `go:linkname`.
//!
//! The bytes hashed are 3, 10, 17, 24, … (`7 * index + 3`).

use super::aes::SCHEDULE;

/// The seed of every hash here.
pub(super) const SEED: u64 = 0x0123_4567_89ab_cdef;

/// What one process computed.
pub(super) struct Vectors {
    pub(super) go: &'static str,
    pub(super) secrets: Secrets,
    /// Hashes of so many bytes.
    pub(super) lengths: [(usize, u64); 27],
    /// Hashes of 0 to 300 bytes, each combined with the ones before, turned left by one bit.
    pub(super) every_length: u64,
    /// `memhash32` and `memhash64` of the first bytes.
    pub(super) words: [u64; 2],
    /// `f64hash` of 0, -1e-309 and 1.5.
    pub(super) floats: [u64; 3],
    /// A map type's hash of each of the keys of the tests.
    pub(super) keys: [u64; 7],
    /// `nilinterhash` of each of the values of the tests.
    pub(super) boxed: [u64; 10],
}

/// What a process hashes with.
pub(super) enum Secrets {
    /// `aeskeysched`.
    Schedule([u8; SCHEDULE]),
    /// `hashkey`.
    Keys([u64; 4]),
}

/// From Go 1.21 and 1.27, with AES and without (`GODEBUG=cpu.aes=off`).
#[rustfmt::skip]
pub(super) const VECTORS: [Vectors; 4] = [
    Vectors {
        go: "1.21.13",
        secrets: Secrets::Schedule([
            0xa7, 0x55, 0xea, 0xb5, 0x4a, 0xd8, 0x29, 0x3f, 0x34, 0x80, 0xbd, 0x05, 0x26, 0xa2, 0x3d, 0xba,
            0x53, 0x81, 0x1d, 0x9f, 0xa6, 0xdb, 0x09, 0x2f, 0xfc, 0x2d, 0x75, 0xc2, 0x0b, 0x53, 0x45, 0x1f,
            0xdc, 0x6f, 0xee, 0xac, 0xbc, 0xb7, 0x0c, 0x65, 0xe1, 0xf4, 0x9e, 0x5b, 0x55, 0x2b, 0xcc, 0xb3,
            0x84, 0x1c, 0xfe, 0x48, 0xc2, 0x80, 0xa3, 0x56, 0xda, 0x15, 0xd4, 0x7b, 0x0a, 0x11, 0xdb, 0x9a,
            0xbf, 0x75, 0x6a, 0x96, 0xc7, 0x5f, 0x52, 0x36, 0xc9, 0x53, 0x98, 0x5f, 0x19, 0xaa, 0x8b, 0xce,
            0x00, 0xff, 0x6b, 0x52, 0x03, 0x81, 0xa1, 0xb0, 0x05, 0x15, 0xba, 0x8a, 0x7a, 0xcd, 0x3d, 0x8a,
            0xac, 0x1c, 0xda, 0xfc, 0x9f, 0xce, 0xdb, 0x64, 0xbe, 0xa2, 0xe8, 0xb5, 0xb2, 0x54, 0xee, 0x0b,
            0x4f, 0xcf, 0x36, 0xa0, 0x91, 0x5c, 0xc0, 0x3b, 0x44, 0xa5, 0xcd, 0xaa, 0xcf, 0xea, 0x56, 0x6b,
        ]),
        lengths: [
            (0, 0x2479_d8bf_9cad_66ef), (1, 0x9457_d542_ecfb_d25d), (2, 0x3217_9695_9b22_1eb9),
            (3, 0x504e_7a05_67b5_4e0a), (4, 0x4aaa_c96b_18ef_e900), (5, 0xc3d1_214b_c905_e89f),
            (7, 0xe173_c15b_addf_7e85), (8, 0xf7d0_eeaa_4aa9_7c93), (9, 0xc972_f9d0_3e7a_dfe6),
            (15, 0x4f3d_f07b_e6b7_a0b0), (16, 0xae32_dce0_0210_5c2b), (17, 0x38c0_4cd8_7d2c_f13e),
            (31, 0x0c01_9ba8_972e_acce), (32, 0x7873_cff4_4815_af67), (33, 0x04a9_43c8_40c7_798b),
            (64, 0x5a02_31bb_4fdb_14fe), (65, 0x5dbe_ce02_bbf2_5828), (100, 0x3156_5877_b561_c5a9),
            (127, 0x0d65_3695_e38a_c612), (128, 0xf1ab_c926_0cfe_96be), (129, 0xfce2_f33b_c857_219c),
            (255, 0x6981_3920_a417_25f9), (256, 0x5114_1a9b_9997_1efb), (257, 0x46a8_468a_a98f_64e6),
            (512, 0xd733_8abe_c7cb_9572), (1024, 0x6001_a1ec_0dd0_c25e), (1025, 0x4964_fa3d_ca08_47c3),
        ],
        every_length: 0x1285_77b3_7364_f3fa,
        words: [0xf9d1_d40a_4b7d_26fb, 0xddf4_0b28_2bd1_1fff],
        floats: [0x7969_6cf7_ccd6_18b2, 0x62da_d187_3adf_c55c, 0xa95f_1578_b936_e6b5],
        keys: [
            0x15b6_a585_7c41_62ac,
            0xf4da_456a_3f43_2141,
            0x635c_e80e_7024_110e,
            0x94ac_c960_595c_4fd3,
            0x07a9_0967_3a1f_12c7,
            0x4212_4fe2_992d_2c8c,
            0xa4be_70b6_ab0e_1e2d,
        ],
        boxed: [
            0x0123_4567_89ab_cdef,
            0x4212_4fe2_992d_2c8c,
            0x72a8_2c36_06c5_6491,
            0x4212_4fe2_992d_2c8c,
            0xff74_98fe_bf4e_fd6f,
            0xd451_5827_b4a2_9a7e,
            0xffc0_ccea_292d_bc8e,
            0x3f05_f9b1_bdd1_ad22,
            0x5729_4fcb_b1e3_b30f,
            0xbbfc_f6c3_f657_3fb7,
        ],
    },
    Vectors {
        go: "1.21.13",
        secrets: Secrets::Keys([0x335a_b40e_0b0d_4927, 0xe17c_87d4_e1e7_b88b, 0xf79d_6775_0763_b3d9, 0x6c91_5bb6_26b3_7bff]),
        lengths: [
            (0, 0x920f_ec0d_fa1b_e0e7), (1, 0x93c5_4a1e_5dd2_8102), (2, 0x1be9_dce8_df10_58f9),
            (3, 0x284c_75c7_c6a8_2bd5), (4, 0x3ca1_853e_1898_7fc7), (5, 0x946a_5b55_af7c_cff5),
            (7, 0xb801_177e_5a41_1eac), (8, 0x8ba8_9796_71f5_64f2), (9, 0x3d20_5752_a78a_e8ce),
            (15, 0xf719_2125_34ab_e88a), (16, 0x89c6_5774_d87e_4742), (17, 0x2d25_f95c_64bb_3986),
            (31, 0x37bb_6654_6333_83c6), (32, 0xf299_c891_1f58_e110), (33, 0x4ac3_b4ef_634b_2089),
            (64, 0x4469_19f7_fe7f_07c8), (65, 0x7bd9_abc0_1f71_13f4), (100, 0xec3f_cb38_f881_213b),
            (127, 0x7470_54f0_9d90_6497), (128, 0xaf0d_ef05_4b88_4335), (129, 0xc1ab_fbb3_81db_0efe),
            (255, 0x39e7_d5e7_d31b_0d63), (256, 0x5bc4_d988_c98f_6ce6), (257, 0x5238_a81f_1913_e952),
            (512, 0x5ffb_2e2c_0729_8744), (1024, 0x03bd_55ab_0b4b_a844), (1025, 0x885a_1f59_a4c9_6516),
        ],
        every_length: 0xf6bf_6e72_27aa_2afc,
        words: [0x3ca1_853e_1898_7fc7, 0x8ba8_9796_71f5_64f2],
        floats: [0x7969_6cf7_ccd6_18b2, 0xbb5c_e91a_9dd6_0ba2, 0x609f_e835_a76a_2069],
        keys: [
            0xa6ad_d6e8_6e8e_682c,
            0x4c56_5ee3_39fb_f035,
            0x722c_bf69_7e2d_78fa,
            0xf84d_3098_6aa3_99df,
            0xff2f_5717_df3a_3055,
            0xa3b6_5fc4_9ff9_4e59,
            0x29a4_55a4_b6c9_1dd2,
        ],
        boxed: [
            0x0123_4567_89ab_cdef,
            0xa3b6_5fc4_9ff9_4e59,
            0x41cd_f98c_660f_52d7,
            0xed33_9f7a_c4ee_2c30,
            0xff74_98fe_bf4e_fd6f,
            0xde6b_e515_004f_b0e4,
            0xa693_1483_f54b_7b21,
            0x51e6_e543_6e59_a05c,
            0xda95_2562_459d_a4d5,
            0xdbde_db24_0d54_9214,
        ],
    },
    Vectors {
        go: "1.27.3",
        secrets: Secrets::Schedule([
            0x57, 0xa1, 0xb2, 0x74, 0x95, 0xde, 0x1f, 0xf9, 0x1d, 0x4c, 0x26, 0x59, 0xa7, 0x04, 0xfb, 0x56,
            0x23, 0x29, 0x7d, 0xf2, 0x1a, 0x3b, 0xe8, 0x8d, 0x24, 0x65, 0xba, 0xc2, 0x39, 0x20, 0x7c, 0xec,
            0xe5, 0xf4, 0x11, 0x94, 0xc0, 0x9c, 0xaa, 0x95, 0x87, 0x20, 0xd2, 0x30, 0x5d, 0x5c, 0x41, 0xc5,
            0xd4, 0xb1, 0x8b, 0x57, 0x46, 0x4a, 0x33, 0xdf, 0x71, 0x7a, 0x04, 0x24, 0x14, 0xd2, 0x85, 0xdb,
            0x51, 0x90, 0x48, 0x48, 0x97, 0x7e, 0xc3, 0xb2, 0x1c, 0x41, 0x1c, 0x00, 0x3a, 0xad, 0x2f, 0xa6,
            0x83, 0x41, 0x1c, 0xfb, 0xf8, 0x83, 0xa0, 0xcb, 0xbd, 0x4e, 0x89, 0x0e, 0x58, 0x6b, 0x53, 0x29,
            0xf5, 0x1e, 0x5d, 0xaf, 0x78, 0xc3, 0xcc, 0xf9, 0x4b, 0xe1, 0x24, 0xaf, 0x67, 0x43, 0x27, 0xeb,
            0x75, 0x0c, 0x7c, 0x35, 0x12, 0xe6, 0x39, 0x44, 0xa8, 0xc3, 0x9d, 0xd3, 0x43, 0xcc, 0x9f, 0xb4,
        ]),
        lengths: [
            (0, 0x3d8a_7f96_98b2_15c4), (1, 0x8168_17d6_651f_d211), (2, 0x49cd_55f1_0753_f5f2),
            (3, 0xfd19_8d8b_22e4_593b), (4, 0x797e_ecaf_0c2f_c1f7), (5, 0x4aae_e35b_695a_ea4a),
            (7, 0x8664_6a4d_06ef_5719), (8, 0xa096_86dd_e4a3_5220), (9, 0xfd1a_18a3_a080_3152),
            (15, 0x7060_ab38_3e32_92da), (16, 0xc4d9_ee30_e822_fd2c), (17, 0x930d_767d_abe6_1440),
            (31, 0x78f3_b928_8397_7839), (32, 0x6ab9_3ea0_1a96_9423), (33, 0xb4ec_f1c6_c7e6_0a10),
            (64, 0x6e94_9d0d_84ae_91bc), (65, 0xfaa3_a053_59c0_d28c), (100, 0x9a67_7049_079a_9916),
            (127, 0x46aa_df10_30d4_0443), (128, 0xb60b_db4c_3913_d979), (129, 0x0065_8083_c685_fdfc),
            (255, 0xd474_c3de_96ba_61ee), (256, 0xecf4_bc20_16f9_fb95), (257, 0x40b7_7ecf_5a76_8f20),
            (512, 0xfa0e_b56f_3011_1f5c), (1024, 0xd51f_af5d_6d53_b13d), (1025, 0xf09f_dd3d_4b1a_1140),
        ],
        every_length: 0x09b2_a168_5ec4_d8f3,
        words: [0xc417_f9d5_9ff0_6bbc, 0x40e7_6dfa_6f64_c8ea],
        floats: [0x7969_6cf7_ccd6_18b2, 0xf712_e00c_4911_ec68, 0xa24b_871c_b1dc_82eb],
        keys: [
            0x585d_bdc1_f750_5f69,
            0x6cd2_165c_e74c_4bf0,
            0xdc50_798d_7cbc_6f96,
            0x347b_16f9_e2b6_d786,
            0x668a_7071_beb6_61e2,
            0x16e3_61f8_0a42_5481,
            0x71ca_3c66_f735_43c4,
        ],
        boxed: [
            0x0123_4567_89ab_cdef,
            0x16e3_61f8_0a42_5481,
            0xfeb6_d66c_5820_ca33,
            0x16e3_61f8_0a42_5481,
            0xff74_98fe_bf4e_fd6f,
            0x6ad0_0a9f_2626_40e7,
            0xbe1f_81b2_485b_f038,
            0xffcb_89d6_bd90_3b23,
            0x8328_3cdf_f4ee_2fb5,
            0xf677_3adb_d293_260f,
        ],
    },
    Vectors {
        go: "1.27.3",
        secrets: Secrets::Keys([0xb902_90ea_a064_a37c, 0xb0fb_0975_bad3_5b15, 0x1010_9608_6a4d_b8ff, 0xb293_14ca_03a9_6245]),
        lengths: [
            (0, 0xb821_d58d_29cf_6e93), (1, 0xa774_3741_1a32_6474), (2, 0x9736_eba6_fc55_d2da),
            (3, 0x256a_535d_e297_6931), (4, 0xdd87_7698_0a78_a291), (5, 0xab8b_5c57_5d8f_4d19),
            (7, 0x7a8c_0bdb_39d6_b6f4), (8, 0xf93b_1b56_48df_08f8), (9, 0x28b1_c6f4_553d_f048),
            (15, 0xde7e_7bc9_5b6f_b401), (16, 0x1bd3_8241_cc50_f983), (17, 0xa0ca_0f8d_9c2e_5c39),
            (31, 0xb328_1b09_f021_1e6a), (32, 0x9561_e646_342f_14df), (33, 0xd0d6_cd10_a34e_f1dd),
            (64, 0xefbf_941a_8328_467c), (65, 0x3127_26d5_7f6c_cea2), (100, 0xaaf8_0aeb_7ff8_0d41),
            (127, 0x5386_d8fd_5a7c_2c0d), (128, 0x6883_7147_2fad_b2ea), (129, 0x5c8b_c0f3_c6ed_638c),
            (255, 0xe860_16d7_5a01_dbe0), (256, 0xb011_793b_0baf_c037), (257, 0x2ee3_0cc0_e87a_895b),
            (512, 0x2f98_0b8c_d4f8_917b), (1024, 0xcdff_efe3_f6da_2cae), (1025, 0x39fe_944d_cae3_09d4),
        ],
        every_length: 0xf077_22ba_3b74_a802,
        words: [0xdd87_7698_0a78_a291, 0xf93b_1b56_48df_08f8],
        floats: [0x7969_6cf7_ccd6_18b2, 0xef52_2996_f279_c50c, 0xb8ab_d6d5_e96b_0d73],
        keys: [
            0x6488_01c1_d21f_6d65,
            0xd8f6_7519_0b97_fd7b,
            0xe38e_3d77_5321_8bd9,
            0xb0a3_35d7_49b0_29dc,
            0xb23e_4198_e1ba_0ef8,
            0xf782_81e5_e803_2814,
            0xf915_5bd2_9276_517e,
        ],
        boxed: [
            0x0123_4567_89ab_cdef,
            0xf782_81e5_e803_2814,
            0x2c67_b38d_fd5c_a731,
            0xe192_64c1_ff91_6baa,
            0xff74_98fe_bf4e_fd6f,
            0x80e2_3eb1_216a_ff91,
            0x1c47_6dee_0061_f74e,
            0xa991_0276_0c87_95fe,
            0x5ee0_95e0_d85f_012e,
            0xef8d_a6cc_dfc3_7510,
        ],
    },
];
