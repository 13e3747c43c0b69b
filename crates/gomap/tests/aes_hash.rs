//! The hash of map keys against hashes of real Go, on a processor with AES instructions.
//!
//! A program of each release printed its key schedule (`aeskeysched`) and what `memhash32`,
//! `memhash64`, `memhash` and `strhash` made of prefixes of one buffer; the two last agreed.

use tophash_gomap::AesHash;

/// What a program printed.
struct Vectors {
    go: &'static str,
    schedule: &'static str,
    of_seeds: [OfSeed; 2],
}

struct OfSeed {
    seed: u64,
    /// `memhash32` and `memhash64` of the buffer's first bytes.
    four: u64,
    eight: u64,
    /// `memhash` of the first [`LENGTHS`] bytes; only of one release.
    some: &'static [u64],
    /// The fold of `memhash` of all lengths to 128.
    all: u64,
}

/// On both sides of each change of method.
const LENGTHS: [usize; 22] =
    [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 96, 127, 128];

#[rustfmt::skip]
const VECTORS: [Vectors; 3] = [
    Vectors {
        go: "go1.19.8",
        schedule: "b7f8e1ecf021a5d0398cc0834f004609f1f6fbbafde9407505bc792aa6d67f0a\
                   65f7c1d64d65e11d8b07358fb1d31bb4515a5f6708953135c00bd989cc174357\
                   eded5df37844500fe97c1a20981068fc52106f528cf96e6a86f0c2db41c6e59f\
                   f0e0b7e070b4918a000fbff714ae0df6fc29173704d4aa2bbcfc2ab43b08cb88",
        of_seeds: [
            OfSeed {
                seed: 0x0000_0000_1234_5678,
                four: 0xf010_a232_cd0e_09d0,
                eight: 0x2b96_76b7_6b21_e3d6,
                some: &[],
                all: 0x16c2_465c_b0d0_a03e,
            },
            OfSeed {
                seed: 0xfedc_ba98_7654_3210,
                four: 0x3c27_dd4c_cab3_e535,
                eight: 0x4fb5_5e98_e608_dedd,
                some: &[],
                all: 0xd696_06f7_9f76_d93c,
            },
        ],
    },
    Vectors {
        go: "go1.23.9",
        schedule: "4a25478b4af3258388fc2c55484d9ac35eb628c2b2e41e783a0967ea5a76b5b2\
                   a4af3c8d9e4c527c59c48ca96a1371aa7c28b136e0e36a4c5eb165177c2b7c38\
                   0ef423e82243eea0d4029bf12e37b2447012d46ce51455c42dc356c4c48a3df0\
                   738e965b06e9d214edbb1f07212de793bb3b8d9de4553b212299c173d2a4e6a7",
        of_seeds: [
            OfSeed {
                seed: 0x0000_0000_1234_5678,
                four: 0x5c2a_6c1f_b426_9215,
                eight: 0xa03e_33b1_2ddc_79b9,
                some: &[],
                all: 0x1bf0_f5db_bd52_ce1d,
            },
            OfSeed {
                seed: 0xfedc_ba98_7654_3210,
                four: 0xe16e_15e5_9f48_f35f,
                eight: 0xc1a3_9cc1_d08c_549b,
                some: &[],
                all: 0x3b63_678a_a431_e1a3,
            },
        ],
    },
    Vectors {
        go: "go1.27.3",
        schedule: "651bf277b9cd6a434cc0bac8206dafa41748940c0f9e91febdf17847327372b8\
                   3841a9133b2f188ddf88bdfb5c2a96fd01bba81551a2c7a0b871042961bc9206\
                   43f2c2f4191982f47f957c828c58e296682a776816dc8c57919203620e243b33\
                   c720eb5d44ac0bd11c1f0a7ea71af9cee6adac62da0bfb6458317eca2069b82f",
        of_seeds: [
            OfSeed {
                seed: 0x0000_0000_1234_5678,
                four: 0x7ef4_3994_3d7e_c8d1,
                eight: 0xaec4_9fe4_6105_14ce,
                some: &[0xe36f_7557_8eb3_3cc0, 0x6d50_af33_cfea_8274, 0x3503_aaf6_c7ad_e3e3, 0x67fe_793a_cb61_0e11, 0x1371_b1ac_099a_c39c, 0xe02a_ed5a_eed6_ea46, 0x8c35_8987_b4ab_07c0, 0x7565_29e2_1302_1db2, 0x5d1f_ffaf_cb9b_9362, 0x4431_66d4_509c_4d58, 0xf76a_f3d2_d490_676e, 0xb9a1_1589_2862_ec58, 0x32c9_9c19_3d96_cccb, 0x00b2_3382_3ce3_23e8, 0x423a_c208_44a8_1ab3, 0x32cb_c4c7_0291_e778, 0x00eb_7eb6_2326_bddf, 0xf367_5651_f910_79a1, 0xafe8_117b_7374_6822, 0xb3d1_62d9_e987_ed0b, 0x45f9_3e9f_a4ed_48a9, 0xae2d_00ce_040d_38ec],
                all: 0xc50a_2b19_8d62_3234,
            },
            OfSeed {
                seed: 0xfedc_ba98_7654_3210,
                four: 0x91c9_afc8_48b8_549f,
                eight: 0xa41e_8720_7909_8374,
                some: &[0xdde7_5ee0_557d_9da4, 0xddd1_6469_a13d_1215, 0xf3b5_9a40_1d9a_37dd, 0x6e7a_5ac4_9d09_a012, 0x35d3_6ed1_15a2_2107, 0x81bf_4b66_a041_7b03, 0x8275_b24b_d50b_154c, 0x183c_f9e6_fd7b_52f6, 0x022e_f55e_60a7_f9a8, 0x74f4_9aef_b212_18fe, 0xd4db_68aa_0e20_cb41, 0x86bb_7f22_cb58_ebc7, 0x2460_c96d_52fc_f890, 0x16b2_bf69_e917_d7fc, 0x9ebf_feec_8ecc_49e8, 0x8372_1c40_dba6_6f01, 0x6a9d_e143_d589_0039, 0x271f_38c5_b354_51cd, 0x516c_5798_98a0_4dd7, 0xa432_a4d5_ecac_9a5e, 0x3ce4_e1e6_9298_1df5, 0xc5be_e6c4_85a4_7a1f],
                all: 0x2073_b7cb_2ca0_d333,
            },
        ],
    },
];

fn buffer() -> Vec<u8> {
    (0..256_usize).map(|index| (7 * index + 3) as u8).collect()
}

fn hash_of(schedule: &str) -> AesHash {
    let bytes: Vec<u8> = (0..schedule.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&schedule[at..at + 2], 16).expect("hex"))
        .collect();
    AesHash::new(&bytes.try_into().expect("128 bytes")).expect("not all zero")
}

/// Calls a check with each schedule and seed.
fn each(check: impl Fn(&str, &AesHash, &OfSeed)) {
    for vectors in &VECTORS {
        let hash = hash_of(vectors.schedule);
        for of_seed in &vectors.of_seeds {
            check(vectors.go, &hash, of_seed);
        }
    }
}

#[test]
fn keys_of_four_and_eight_bytes_hash_as_in_go() {
    let key = buffer();
    let (four, eight) = (*key.first_chunk().unwrap(), *key.first_chunk().unwrap());
    each(|go, hash, of| {
        assert_eq!(hash.hash_4(four, of.seed), of.four, "{go}");
        assert_eq!(hash.hash_8(eight, of.seed), of.eight, "{go}");
    });
}

#[test]
fn keys_of_other_lengths_hash_as_in_go() {
    let key = buffer();
    each(|go, hash, of| {
        for (len, expected) in LENGTHS.into_iter().zip(of.some) {
            assert_eq!(hash.hash(&key[..len], of.seed), *expected, "{go}, {len} bytes");
        }
    });
}

#[test]
fn keys_of_every_length_to_128_bytes_hash_as_in_go() {
    let key = buffer();
    each(|go, hash, of| {
        let all =
            (0..=128).fold(0_u64, |all, len| all.rotate_left(5) ^ hash.hash(&key[..len], of.seed));
        assert_eq!(all, of.all, "{go}");
    });
}

#[test]
fn a_process_without_aes_has_no_such_hash() {
    assert!(AesHash::new(&[0; 128]).is_none());
}
