//! Hierarchical keys against published answers, another implementation, and themselves.
#![cfg(feature = "hd")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::convert::Infallible;

use chain_signers::{
    Curve, GenerateError, SigningKey,
    hd::{
        ChildNumber, DerivationPath, DerivationPathError, DeriveError, ExtendedSigningKey, Mnemonic, MnemonicError,
        Seed, WordCount,
        standard::{self, Change},
    },
};
use proptest::prelude::*;
use rand_core::{TryCryptoRng, TryRng};

/// The English vectors of BIP-39, <https://github.com/trezor/python-mnemonic/blob/master/vectors.json>: entropy, words,
/// seed for the passphrase `TREZOR`.
const BIP_39: [(&str, &str, &str); 24] = [
    (
        "00000000000000000000000000000000",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
        "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141\
         630c7a3c4ab7c81b2f001698e7463b04",
    ),
    (
        "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
        "legal winner thank year wave sausage worth useful legal winner thank yellow",
        "2e8905819b8723fe2c1d161860e5ee1830318dbf49a83bd451cfb8440c28bd6fa457fe1296106559a3c80937a1c1069b\
         e3a3a5bd381ee6260e8d9739fce1f607",
    ),
    (
        "80808080808080808080808080808080",
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage above",
        "d71de856f81a8acc65e6fc851a38d4d7ec216fd0796d0a6827a3ad6ed5511a30fa280f12eb2e47ed2ac03b5c462a0358\
         d18d69fe4f985ec81778c1b370b652a8",
    ),
    (
        "ffffffffffffffffffffffffffffffff",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
        "ac27495480225222079d7be181583751e86f571027b0497b5b5d11218e0a8a13332572917f0f8e5a589620c6f15b11c6\
         1dee327651a14c34e18231052e48c069",
    ),
    (
        "000000000000000000000000000000000000000000000000",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
         abandon abandon abandon abandon abandon agent",
        "035895f2f481b1b0f01fcf8c289c794660b289981a78f8106447707fdd9666ca06da5a9a565181599b79f53b844d8a71\
         dd9f439c52a3d7b3e8a79c906ac845fa",
    ),
    (
        "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
        "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful \
         legal will",
        "f2b94508732bcbacbcc020faefecfc89feafa6649a5491b8c952cede496c214a0c7b3c392d168748f2d4a612bada0753\
         b52a1c7ac53c1e93abd5c6320b9e95dd",
    ),
    (
        "808080808080808080808080808080808080808080808080",
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor \
         acoustic avoid letter always",
        "107d7c02a5aa6f38c58083ff74f04c607c2d2c0ecc55501dadd72d025b751bc27fe913ffb796f841c49b1d33b610cf0e\
         91d3aa239027f5e99fe4ce9e5088cd65",
    ),
    (
        "ffffffffffffffffffffffffffffffffffffffffffffffff",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo when",
        "0cd6e5d827bb62eb8fc1e262254223817fd068a74b5b449cc2f667c3f1f985a76379b43348d952e2265b4cd129090758\
         b3e3c2c49103b5051aac2eaeb890a528",
    ),
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
         abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
        "bda85446c68413707090a52022edd26a1c9462295029f2e60cd7c4f2bbd3097170af7a4d73245cafa9c3cca8d561a7c3\
         de6f5d4a10be8ed2a5e608d68f92fcc8",
    ),
    (
        "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
        "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful \
         legal winner thank year wave sausage worth title",
        "bc09fca1804f7e69da93c2f2028eb238c227f2e9dda30cd63699232578480a4021b146ad717fbb7e451ce9eb835f4362\
         0bf5c514db0f8add49f5d121449d3e87",
    ),
    (
        "8080808080808080808080808080808080808080808080808080808080808080",
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor \
         acoustic avoid letter advice cage absurd amount doctor acoustic bless",
        "c0c519bd0e91a2ed54357d9d1ebef6f5af218a153624cf4f2da911a0ed8f7a09e2ef61af0aca007096df430022f7a2b6\
         fb91661a9589097069720d015e4e982f",
    ),
    (
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote",
        "dd48c104698c30cfe2b6142103248622fb7bb0ff692eebb00089b32d22484e1613912f0a5b694407be899ffd31ed3992\
         c456cdf60f5d4564b8ba3f05a69890ad",
    ),
    (
        "9e885d952ad362caeb4efe34a8e91bd2",
        "ozone drill grab fiber curtain grace pudding thank cruise elder eight picnic",
        "274ddc525802f7c828d8ef7ddbcdc5304e87ac3535913611fbbfa986d0c9e5476c91689f9c8a54fd55bd38606aa6a859\
         5ad213d4c9c9f9aca3fb217069a41028",
    ),
    (
        "6610b25967cdcca9d59875f5cb50b0ea75433311869e930b",
        "gravity machine north sort system female filter attitude volume fold club stay feature office \
         ecology stable narrow fog",
        "628c3827a8823298ee685db84f55caa34b5cc195a778e52d45f59bcf75aba68e4d7590e101dc414bc1bbd5737666fbbe\
         f35d1f1903953b66624f910feef245ac",
    ),
    (
        "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
        "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel \
         tennis maple dilemma loan word shrug inflict delay length",
        "64c87cde7e12ecf6704ab95bb1408bef047c22db4cc7491c4271d170a1b213d20b385bc1588d9c7b38f1b39d415665b8\
         a9030c9ec653d75e65f847d8fc1fc440",
    ),
    (
        "c0ba5a8e914111210f2bd131f3d5e08d",
        "scheme spot photo card baby mountain device kick cradle pact join borrow",
        "ea725895aaae8d4c1cf682c1bfd2d358d52ed9f0f0591131b559e2724bb234fca05aa9c02c57407e04ee9dc3b454aa63\
         fbff483a8b11de949624b9f1831a9612",
    ),
    (
        "6d9be1ee6ebd27a258115aad99b7317b9c8d28b6d76431c3",
        "horn tenant knee talent sponsor spell gate clip pulse soap slush warm silver nephew swap uncle crack \
         brave",
        "fd579828af3da1d32544ce4db5c73d53fc8acc4ddb1e3b251a31179cdb71e853c56d2fcb11aed39898ce6c34b10b5382\
         772db8796e52837b54468aeb312cfc3d",
    ),
    (
        "9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863",
        "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich alcohol speed nation \
         flash devote level hobby quick inner drive ghost inside",
        "72be8e052fc4919d2adf28d5306b5474b0069df35b02303de8c1729c9538dbb6fc2d731d5f832193cd9fb6aeecbc4695\
         94a70e3dd50811b5067f3b88b28c3e8d",
    ),
    (
        "23db8160a31d3e0dca3688ed941adbf3",
        "cat swing flag economy stadium alone churn speed unique patch report train",
        "deb5f45449e615feff5640f2e49f933ff51895de3b4381832b3139941c57b59205a42480c52175b6efcffaa58a250388\
         7c1e8b363a707256bdd2b587b46541f5",
    ),
    (
        "8197a4a47f0425faeaa69deebc05ca29c0a5b5cc76ceacc0",
        "light rule cinnamon wrap drastic word pride squirrel upgrade then income fatal apart sustain crack \
         supply proud access",
        "4cbdff1ca2db800fd61cae72a57475fdc6bab03e441fd63f96dabd1f183ef5b782925f00105f318309a7e9c3ea6967c7\
         801e46c8a58082674c860a37b93eda02",
    ),
    (
        "066dca1a2bb7e8a1db2832148ce9933eea0f3ac9548d793112d9a95c9407efad",
        "all hour make first leader extend hole alien behind guard gospel lava path output census museum \
         junior mass reopen famous sing advance salt reform",
        "26e975ec644423f4a4c4f4215ef09b4bd7ef924e85d1d17c4cf3f136c2863cf6df0a475045652c57eb5fb41513ca2a2d\
         67722b77e954b4b3fc11f7590449191d",
    ),
    (
        "f30f8c1da665478f49b001d94c5fc452",
        "vessel ladder alter error federal sibling chat ability sun glass valve picture",
        "2aaa9242daafcee6aa9d7269f17d4efe271e1b9a529178d7dc139cd18747090bf9d60295d0ce74309a78852a9caadf0a\
         f48aae1c6253839624076224374bc63f",
    ),
    (
        "c10ec20dc3cd9f652c7fac2f1230f7a3c828389a14392f05",
        "scissors invite lock maple supreme raw rapid void congress muscle digital elegant little brisk hair \
         mango congress clump",
        "7b4a10be9d98e6cba265566db7f136718e1398c71cb581e1b2f464cac1ceedf4f3e274dc270003c670ad8d02c4558b2f\
         8e39edea2775c9e232c7cb798b069e88",
    ),
    (
        "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
        "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen \
         patrol group space point ten exist slush involve unfold",
        "01f5bced59dec48e362f2c45b5de68b9fd6c92c6634f44d6d40aab69056506f0e35524a518034ddc1192e1dacd32c1ed\
         3eaa3c3b131c88ed8e7e54c49a5d0998",
    ),
];

/// Vectors 1 to 4 of BIP-32, <https://github.com/bitcoin/bips/blob/master/bip-0032.mediawiki#test-vectors>: seed, then
/// chain and extended private key. (Vector 5 has malformed extended keys, which are not read here.) Vectors 1 and 2 are
/// also those of SLIP-10 for secp256k1, in other words.
const BIP_32: [(&str, &[(&str, &str)]); 4] = [
    (
        "000102030405060708090a0b0c0d0e0f",
        &[
            (
                "m",
                "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNN\
                 U3TGtRBeJgk33yuGBxrMPHi",
            ),
            (
                "m/0'",
                "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZ\
                 G7XnxHrnYeSvkzY7d2bhkJ7",
            ),
            (
                "m/0'/1",
                "xprv9wTYmMFdV23N2TdNG573QoEsfRrWKQgWeibmLntzniatZvR9BmLnvSxqu53Kw1UmYPxLgboyZQaXwTCg8MSY\
                 3H2EU4pWcQDnRnrVA1xe8fs",
            ),
            (
                "m/0'/1/2'",
                "xprv9z4pot5VBttmtdRTWfWQmoH1taj2axGVzFqSb8C9xaxKymcFzXBDptWmT7FwuEzG3ryjH4ktypQSAewRiNMj\
                 ANTtpgP4mLTj34bhnZX7UiM",
            ),
            (
                "m/0'/1/2'/2",
                "xprvA2JDeKCSNNZky6uBCviVfJSKyQ1mDYahRjijr5idH2WwLsEd4Hsb2Tyh8RfQMuPh7f7RtyzTtdrbdqqsunu5\
                 Mm3wDvUAKRHSC34sJ7in334",
            ),
            (
                "m/0'/1/2'/2/1000000000",
                "xprvA41z7zogVVwxVSgdKUHDy1SKmdb533PjDz7J6N6mV6uS3ze1ai8FHa8kmHScGpWmj4WggLyQjgPie1rFSruo\
                 UihUZREPSL39UNdE3BBDu76",
            ),
        ],
    ),
    (
        "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a29f9c999693908d8a8784817e7b787572\
         6f6c696663605d5a5754514e4b484542",
        &[
            (
                "m",
                "xprv9s21ZrQH143K31xYSDQpPDxsXRTUcvj2iNHm5NUtrGiGG5e2DtALGdso3pGz6ssrdK4PFmM8NSpSBHNqPqm5\
                 5Qn3LqFtT2emdEXVYsCzC2U",
            ),
            (
                "m/0",
                "xprv9vHkqa6EV4sPZHYqZznhT2NPtPCjKuDKGY38FBWLvgaDx45zo9WQRUT3dKYnjwih2yJD9mkrocEZXo1ex8G8\
                 1dwSM1fwqWpWkeS3v86pgKt",
            ),
            (
                "m/0/2147483647'",
                "xprv9wSp6B7kry3Vj9m1zSnLvN3xH8RdsPP1Mh7fAaR7aRLcQMKTR2vidYEeEg2mUCTAwCd6vnxVrcjfy2kRgVsF\
                 awNzmjuHc2YmYRmagcEPdU9",
            ),
            (
                "m/0/2147483647'/1",
                "xprv9zFnWC6h2cLgpmSA46vutJzBcfJ8yaJGg8cX1e5StJh45BBciYTRXSd25UEPVuesF9yog62tGAQtHjXajPPd\
                 bRCHuWS6T8XA2ECKADdw4Ef",
            ),
            (
                "m/0/2147483647'/1/2147483646'",
                "xprvA1RpRA33e1JQ7ifknakTFpgNXPmW2YvmhqLQYMmrj4xJXXWYpDPS3xz7iAxn8L39njGVyuoseXzU6rcxFLJ8\
                 HFsTjSyQbLYnMpCqE2VbFWc",
            ),
            (
                "m/0/2147483647'/1/2147483646'/2",
                "xprvA2nrNbFZABcdryreWet9Ea4LvTJcGsqrMzxHx98MMrotbir7yrKCEXw7nadnHM8Dq38EGfSh6dqA9QWTyefM\
                 LEcBYJUuekgW4BYPJcr9E7j",
            ),
        ],
    ),
    (
        "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d5ab5a0d0c6\
         4d2e8a1e7d1457df2e5a3c51c73235be",
        &[
            (
                "m",
                "xprv9s21ZrQH143K25QhxbucbDDuQ4naNntJRi4KUfWT7xo4EKsHt2QJDu7KXp1A3u7Bi1j8ph3EGsZ9Xvz9dGuV\
                 rtHHs7pXeTzjuxBrCmmhgC6",
            ),
            (
                "m/0'",
                "xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVF\
                 ceUvJFjaPdGZ2y9WACViL4L",
            ),
        ],
    ),
    (
        "3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678",
        &[
            (
                "m",
                "xprv9s21ZrQH143K48vGoLGRPxgo2JNkJ3J3fqkirQC2zVdk5Dgd5w14S7fRDyHH4dWNHUgkvsvNDCkvAwcSHNAQ\
                 whwgNMgZhLtQC63zxwhQmRv",
            ),
            (
                "m/0'",
                "xprv9vB7xEWwNp9kh1wQRfCCQMnZUEG21LpbR9NPCNN1dwhiZkjjeGRnaALmPXCX7SgjFTiCTT6bXes17boXtjq3\
                 xLpcDjzEuGLQBM5ohqkao9G",
            ),
            (
                "m/0'/1'",
                "xprv9xJocDuwtYCMNAo3Zw76WENQeAS6WGXQ55RCy7tDJ8oALr4FWkuVoHJeHVAcAqiZLE7Je3vZJHxspZdFHfnB\
                 EjHqU5hG1Jaj32dVoS6XLT1",
            ),
        ],
    ),
];

/// Vectors 1 and 2 of SLIP-10 for secp256k1 and ed25519,
/// <https://github.com/satoshilabs/slips/blob/master/slip-0010.md#test-vectors>: curve, seed, then chain, private key,
/// public key (on ed25519 after a byte of zero).
type Slip10 = (Curve, &'static str, &'static [(&'static str, &'static str, &'static str)]);
const SLIP_10: [Slip10; 4] = [
    (
        Curve::Secp256k1,
        "000102030405060708090a0b0c0d0e0f",
        &[
            (
                "m",
                "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35",
                "0339a36013301597daef41fbe593a02cc513d0b55527ec2df1050e2e8ff49c85c2",
            ),
            (
                "m/0'",
                "edb2e14f9ee77d26dd93b4ecede8d16ed408ce149b6cd80b0715a2d911a0afea",
                "035a784662a4a20a65bf6aab9ae98a6c068a81c52e4b032c0fb5400c706cfccc56",
            ),
            (
                "m/0'/1",
                "3c6cb8d0f6a264c91ea8b5030fadaa8e538b020f0a387421a12de9319dc93368",
                "03501e454bf00751f24b1b489aa925215d66af2234e3891c3b21a52bedb3cd711c",
            ),
            (
                "m/0'/1/2'",
                "cbce0d719ecf7431d88e6a89fa1483e02e35092af60c042b1df2ff59fa424dca",
                "0357bfe1e341d01c69fe5654309956cbea516822fba8a601743a012a7896ee8dc2",
            ),
            (
                "m/0'/1/2'/2",
                "0f479245fb19a38a1954c5c7c0ebab2f9bdfd96a17563ef28a6a4b1a2a764ef4",
                "02e8445082a72f29b75ca48748a914df60622a609cacfce8ed0e35804560741d29",
            ),
            (
                "m/0'/1/2'/2/1000000000",
                "471b76e389e528d6de6d816857e012c5455051cad6660850e58372a6c3e6e7c8",
                "022a471424da5e657499d1ff51cb43c47481a03b1e77f951fe64cec9f5a48f7011",
            ),
        ],
    ),
    (
        Curve::Secp256k1,
        "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a29f9c999693908d8a8784817e7b787572\
         6f6c696663605d5a5754514e4b484542",
        &[
            (
                "m",
                "4b03d6fc340455b363f51020ad3ecca4f0850280cf436c70c727923f6db46c3e",
                "03cbcaa9c98c877a26977d00825c956a238e8dddfbd322cce4f74b0b5bd6ace4a7",
            ),
            (
                "m/0",
                "abe74a98f6c7eabee0428f53798f0ab8aa1bd37873999041703c742f15ac7e1e",
                "02fc9e5af0ac8d9b3cecfe2a888e2117ba3d089d8585886c9c826b6b22a98d12ea",
            ),
            (
                "m/0/2147483647'",
                "877c779ad9687164e9c2f4f0f4ff0340814392330693ce95a58fe18fd52e6e93",
                "03c01e7425647bdefa82b12d9bad5e3e6865bee0502694b94ca58b666abc0a5c3b",
            ),
            (
                "m/0/2147483647'/1",
                "704addf544a06e5ee4bea37098463c23613da32020d604506da8c0518e1da4b7",
                "03a7d1d856deb74c508e05031f9895dab54626251b3806e16b4bd12e781a7df5b9",
            ),
            (
                "m/0/2147483647'/1/2147483646'",
                "f1c7c871a54a804afe328b4c83a1c33b8e5ff48f5087273f04efa83b247d6a2d",
                "02d2b36900396c9282fa14628566582f206a5dd0bcc8d5e892611806cafb0301f0",
            ),
            (
                "m/0/2147483647'/1/2147483646'/2",
                "bb7d39bdb83ecf58f2fd82b6d918341cbef428661ef01ab97c28a4842125ac23",
                "024d902e1a2fc7a8755ab5b694c575fce742c48d9ff192e63df5193e4c7afe1f9c",
            ),
        ],
    ),
    (
        Curve::Ed25519,
        "000102030405060708090a0b0c0d0e0f",
        &[
            (
                "m",
                "2b4be7f19ee27bbf30c667b642d5f4aa69fd169872f8fc3059c08ebae2eb19e7",
                "00a4b2856bfec510abab89753fac1ac0e1112364e7d250545963f135f2a33188ed",
            ),
            (
                "m/0'",
                "68e0fe46dfb67e368c75379acec591dad19df3cde26e63b93a8e704f1dade7a3",
                "008c8a13df77a28f3445213a0f432fde644acaa215fc72dcdf300d5efaa85d350c",
            ),
            (
                "m/0'/1'",
                "b1d0bad404bf35da785a64ca1ac54b2617211d2777696fbffaf208f746ae84f2",
                "001932a5270f335bed617d5b935c80aedb1a35bd9fc1e31acafd5372c30f5c1187",
            ),
            (
                "m/0'/1'/2'",
                "92a5b23c0b8a99e37d07df3fb9966917f5d06e02ddbd909c7e184371463e9fc9",
                "00ae98736566d30ed0e9d2f4486a64bc95740d89c7db33f52121f8ea8f76ff0fc1",
            ),
            (
                "m/0'/1'/2'/2'",
                "30d1dc7e5fc04c31219ab25a27ae00b50f6fd66622f6e9c913253d6511d1e662",
                "008abae2d66361c879b900d204ad2cc4984fa2aa344dd7ddc46007329ac76c429c",
            ),
            (
                "m/0'/1'/2'/2'/1000000000'",
                "8f94d394a8e8fd6b1bc2f3f49f5c47e385281d5c17e65324b0f62483e37e8793",
                "003c24da049451555d51a7014a37337aa4e12d41e485abccfa46b47dfb2af54b7a",
            ),
        ],
    ),
    (
        Curve::Ed25519,
        "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a29f9c999693908d8a8784817e7b787572\
         6f6c696663605d5a5754514e4b484542",
        &[
            (
                "m",
                "171cb88b1b3c1db25add599712e36245d75bc65a1a5c9e18d76f9f2b1eab4012",
                "008fe9693f8fa62a4305a140b9764c5ee01e455963744fe18204b4fb948249308a",
            ),
            (
                "m/0'",
                "1559eb2bbec5790b0c65d8693e4d0875b1747f4970ae8b650486ed7470845635",
                "0086fab68dcb57aa196c77c5f264f215a112c22a912c10d123b0d03c3c28ef1037",
            ),
            (
                "m/0'/2147483647'",
                "ea4f5bfe8694d8bb74b7b59404632fd5968b774ed545e810de9c32a4fb4192f4",
                "005ba3b9ac6e90e83effcd25ac4e58a1365a9e35a3d3ae5eb07b9e4d90bcf7506d",
            ),
            (
                "m/0'/2147483647'/1'",
                "3757c7577170179c7868353ada796c839135b3d30554bbb74a4b1e4a5a58505c",
                "002e66aa57069c86cc18249aecf5cb5a9cebbfd6fadeab056254763874a9352b45",
            ),
            (
                "m/0'/2147483647'/1'/2147483646'",
                "5837736c89570de861ebc173b1086da4f505d4adb387c6a1b1342d5e4ac9ec72",
                "00e33c0f7d81d843c572275f287498e8d408654fdf0d1e065b84e2e6f157aab09b",
            ),
            (
                "m/0'/2147483647'/1'/2147483646'/2'",
                "551d333177df541ad876a60ea71f00447931c0a9da16f227c11ea080d7391b8d",
                "0047150c75db263559a70d5778bf36abbab30fb061ad69f69ece61a72b0cfa4fc0",
            ),
        ],
    ),
];

/// What wallets and their SDKs publish: words, path, curve, public key.
const WALLETS: [(&str, &str, Curve, &str); 12] = [
    // BIP-84 and BIP-86, the first two receiving addresses and the first of change. BIP-86 writes internal keys without
    // the first byte, which is in the extended public key beside them.
    (ABOUT, "m/84'/0'/0'/0/0", Curve::Secp256k1, "0330d54fd0dd420a6e5f8d3624f5f3482cae350f79d5f0753bf5beef9c2d91af3c"),
    (ABOUT, "m/84'/0'/0'/0/1", Curve::Secp256k1, "03e775fd51f0dfb8cd865d9ff1cca2a158cf651fe997fdc9fee9c1d3b5e995ea77"),
    (ABOUT, "m/84'/0'/0'/1/0", Curve::Secp256k1, "03025324888e429ab8e3dbaf1f7802648b9cd01e9b418485c5fa4c1b9b5700e1a6"),
    (ABOUT, "m/86'/0'/0'/0/0", Curve::Secp256k1, "03cc8a4bc64d897bddc5fbc2f670f7a8ba0b386779106cf1223c6fc5d7cd6fc115"),
    (ABOUT, "m/86'/0'/0'/0/1", Curve::Secp256k1, "0283dfe85a3151d2517290da461fe2815591ef69f2b18a2ce63f01697a8b313145"),
    (ABOUT, "m/86'/0'/0'/1/0", Curve::Secp256k1, "02399f1b2f4393f29a18c937859c5dd8a77350103157eb880f02e8c08214277cef"),
    // BIP-49, on the test network.
    (ABOUT, "m/49'/1'/0'/0/0", Curve::Secp256k1, "03a1af804ac108a8a51782198c2d034b28bf90c8803f5a53f76276fa69a4eae77f"),
    // CosmJS, `packages/amino/src/secp256k1hdwallet.spec.ts`.
    (
        "special sign fit simple patrol salute grocery chicken wheat radar tonight ceiling",
        "m/44'/118'/0'/0/0",
        Curve::Secp256k1,
        "02baa4ef93f2ce84592a49b1d729c074eab640112522a7a89f7d03ebab21ded7b6",
    ),
    // SEP-5, test 1: the address GDRXE2BQUC3AZNPVFSCEZ76NJ3WWL25FYFK6RGZGIEKWE4SOOHSUJUJ6 without version and checksum.
    (
        "illness spike retreat truth genius clock brain pass fit cave bargain toe",
        "m/44'/148'/0'",
        Curve::Ed25519,
        "e3726830a0b60cb5f52c844cffcd4eed65eba5c155e89b26411562724e71e544",
    ),
    // The Aptos TypeScript SDK, `wallet` in `tests/unit/helper.ts`.
    (
        "shoot island position soft burden budget tooth cruel issue economy destroy above",
        "m/44'/637'/0'/0'/0'",
        Curve::Ed25519,
        "ea526ba1710343d953461ff68641f1b7df5f23b9042ffa2d2a798d3adb3f3d6c",
    ),
    // The Sui TypeScript SDK, `test/unit/cryptography/ed25519-keypair.test.ts`; in Base64 there:
    // ImR/7u82MGC9QgWhZxoV8QoSNnZZGLG19jjYLzPPxGk=.
    (
        "film crazy soon outside stand loop subway crumble thrive popular green nuclear struggle pistol arm wife phrase \
         warfare march wheat nephew ask sunny firm",
        "m/44'/784'/0'/0'/0'",
        Curve::Ed25519,
        "22647feeef363060bd4205a1671a15f10a1236765918b1b5f638d82f33cfc469",
    ),
    // Bitcoin's BIP-44 account of many wallets: the address 1LqBGSKuX5yYUonjxT5qGfpUsXKYYWeabA.
    (ABOUT, "m/44'/0'/0'/0/0", Curve::Secp256k1, "03aaeb52dd7494c361049de67cc680e83ebcbbbdbeb13637d92cd845f70308af5e"),
];

const ABOUT: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
const NFKD_SEED: &str = "ba553eedefe76e67e2602dc20184c564010859faada929a090dd2c57aacb204c\
     eefd15404ab50ef3e8dbeae5195aeae64b0def4d2eead1cdc728a33ced520ffd";
const JUNK: &str = "test test test test test test test test test test test junk";

#[test]
fn mnemonics_and_seeds_are_those_of_bip_39() {
    for (entropy, phrase, seed) in BIP_39 {
        let mnemonic = Mnemonic::from_entropy(&hex::decode(entropy).unwrap()).unwrap();
        assert_eq!(mnemonic.as_phrase(), phrase);
        let read = Mnemonic::from_phrase(phrase).unwrap();
        assert_eq!(read.as_phrase(), phrase);
        assert_eq!(hex::encode(read.to_seed("TREZOR").as_secret_bytes()), seed, "{phrase}");
    }
}

/// In BIP-39's Japanese vectors the passphrase is `㍍ガバヴァぱばぐゞちぢ十人十色`; here it salts English words, and the seed
/// was computed with Python's `unicodedata.normalize("NFKD", …)` and `hashlib.pbkdf2_hmac`.
#[test]
fn passphrases_are_normalized() {
    let mnemonic = Mnemonic::from_phrase(ABOUT).unwrap();
    let seed = |passphrase: &str| hex::encode(mnemonic.to_seed(passphrase).as_secret_bytes());
    assert_eq!(seed("㍍ガバヴァぱばぐゞちぢ十人十色"), NFKD_SEED);
    assert_eq!(seed("caf\u{e9}"), seed("cafe\u{301}"), "one accent, typed in two ways");
    assert_ne!(seed("cafe"), seed("caf\u{e9}"));
}

#[test]
fn keys_are_those_of_bip_32() {
    for (seed, chains) in BIP_32 {
        let seed = Seed::from_bytes(&hex::decode(seed).unwrap()).unwrap();
        for (path, published) in chains {
            let published: bip32::XPrv = published.parse().unwrap();
            let key = SigningKey::derive(Curve::Secp256k1, &seed, &path.parse().unwrap()).unwrap();
            assert_eq!(*key.secret_bytes(), published.to_bytes(), "{path}");
        }
    }
}

#[test]
fn keys_are_those_of_slip_10() {
    for (curve, seed, chains) in SLIP_10 {
        let seed = Seed::from_bytes(&hex::decode(seed).unwrap()).unwrap();
        for (path, secret, public) in chains {
            let key = SigningKey::derive(curve, &seed, &path.parse().unwrap()).unwrap();
            assert_eq!(hex::encode(*key.secret_bytes()), *secret, "{curve} {path}");
            let public = public.strip_prefix("00").unwrap_or(public);
            assert_eq!(hex::encode(key.verifying_key().to_bytes()), public, "{curve} {path}");
        }
    }
}

#[test]
fn accounts_are_those_that_wallets_show() {
    for (phrase, path, curve, public) in WALLETS {
        assert_eq!(hex::encode(derive(curve, phrase, path).verifying_key().to_bytes()), public, "{path}");
    }
}

/// The accounts of Hardhat, Anvil and Foundry, and those that the words of BIP-39's first vector give in most wallets.
#[cfg(feature = "evm")]
#[test]
fn ethereum_addresses_are_those_that_wallets_show() {
    use chain_signers::{Chain, evm::Evm};

    for (phrase, index, expected) in [
        (JUNK, 0, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
        (JUNK, 1, "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        (ABOUT, 0, "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"),
    ] {
        let path = standard::ethereum(index).unwrap().to_string();
        assert_eq!(Evm.address(&derive(Curve::Secp256k1, phrase, &path).verifying_key()).unwrap(), expected);
    }
}

/// The first account of Phantom, Solflare and `solana-keygen`'s `?key=0/0`.
#[cfg(feature = "solana")]
#[test]
fn solana_addresses_are_those_that_wallets_show() {
    use chain_signers::{Chain, solana::Solana};

    let path = standard::solana(0).unwrap().to_string();
    for (phrase, expected) in
        [(ABOUT, "HAgk14JpMQLgt6rVgv7cBQFJWFto5Dqxi472uT3DKpqk"), (JUNK, "oeYf6KAJkLYhBuR8CiGc6L4D4Xtfepr85fuDgA9kq96")]
    {
        assert_eq!(Solana.address(&derive(Curve::Ed25519, phrase, &path).verifying_key()).unwrap(), expected);
    }
}

#[test]
fn standard_paths_are_written_as_their_sources_write_them() {
    for (path, expected) in [
        (standard::bitcoin_p2pkh(0, Change::External, 0), "m/44'/0'/0'/0/0"),
        (standard::bitcoin_p2sh_p2wpkh(1, Change::Internal, 2), "m/49'/0'/1'/1/2"),
        (standard::bitcoin_p2wpkh(0, Change::External, 1), "m/84'/0'/0'/0/1"),
        (standard::bitcoin_p2tr(0, Change::Internal, 0), "m/86'/0'/0'/1/0"),
        (standard::ethereum(7), "m/44'/60'/0'/0/7"),
        (standard::cosmos(7), "m/44'/118'/0'/0/7"),
        (standard::tron(7), "m/44'/195'/0'/0/7"),
        (standard::stellar(7), "m/44'/148'/7'"),
        (standard::near(7), "m/44'/397'/7'"),
        (standard::solana(7), "m/44'/501'/7'/0'"),
        (standard::aptos(7), "m/44'/637'/7'/0'/0'"),
        (standard::sui(7), "m/44'/784'/7'/0'/0'"),
    ] {
        assert_eq!(path.unwrap().to_string(), expected);
    }
    let out_of_range = |level| Err(DerivationPathError::IndexOutOfRange { level });
    assert_eq!(standard::ethereum(1 << 31), out_of_range(5));
    assert_eq!(standard::bitcoin_p2tr(u32::MAX, Change::External, 0), out_of_range(3));
}

#[test]
fn refuses_what_is_no_mnemonic() {
    let refused = |phrase: &str| Mnemonic::from_phrase(phrase).unwrap_err();
    assert_eq!(refused(""), MnemonicError::WordCount { actual: 0 });
    assert_eq!(refused(&format!("{ABOUT} about")), MnemonicError::WordCount { actual: 13 });
    assert_eq!(refused(&"zoo ".repeat(27)), MnemonicError::WordCount { actual: 27 });
    assert_eq!(refused(&ABOUT.replace("about", "abandon")), MnemonicError::Checksum);
    assert_eq!(refused(&ABOUT.replace("about", "abou")), MnemonicError::UnknownWord { position: 12 });
    assert_eq!(refused(&ABOUT.to_uppercase()), MnemonicError::UnknownWord { position: 1 });
    assert_eq!(refused(&ABOUT.replace("about", "a\u{301}bout")), MnemonicError::UnknownWord { position: 12 });
    for actual in [0, 15, 17, 33] {
        let refused = Mnemonic::from_entropy(&[7; 40][..actual]).unwrap_err();
        assert_eq!(refused, MnemonicError::EntropyLength { actual });
    }
}

#[test]
fn white_space_between_words_does_not_matter() {
    let typed = format!("\t{}\r\n", ABOUT.replace(' ', "  \n"));
    assert_eq!(Mnemonic::from_phrase(&typed).unwrap().as_phrase(), ABOUT);
}

#[test]
fn an_error_repeats_no_word() {
    let error = Mnemonic::from_phrase(&ABOUT.replace("about", "hunter2")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn a_generated_mnemonic_has_the_words_asked_for_and_the_generators_entropy() {
    for (words, count) in [
        (WordCount::Twelve, 12),
        (WordCount::Fifteen, 15),
        (WordCount::Eighteen, 18),
        (WordCount::TwentyOne, 21),
        (WordCount::TwentyFour, 24),
    ] {
        let drawn = Mnemonic::generate(words, &mut Constant(0x7f)).unwrap();
        assert_eq!(drawn.as_phrase().split(' ').count(), count);
        let entropy = vec![0x7f; count / 3 * 4];
        assert_eq!(drawn.as_phrase(), Mnemonic::from_entropy(&entropy).unwrap().as_phrase());
        assert_eq!(Mnemonic::from_phrase(drawn.as_phrase()).unwrap().as_phrase(), drawn.as_phrase());
    }
}

#[test]
fn a_generator_of_zeros_makes_no_mnemonic() {
    let refused = Mnemonic::generate(WordCount::TwentyFour, &mut Constant(0)).unwrap_err();
    assert_eq!(refused, GenerateError::Exhausted);
}

#[test]
fn a_seed_has_16_to_64_bytes() {
    for len in [0, 15, 65] {
        assert_eq!(Seed::from_bytes(&vec![7; len]).unwrap_err(), DeriveError::SeedLength { actual: len });
    }
    for len in [16, 17, 32, 63, 64] {
        assert_eq!(Seed::from_bytes(&vec![7; len]).unwrap().as_secret_bytes(), vec![7; len]);
    }
}

#[test]
fn refuses_what_is_no_path() {
    let malformed = |level| DerivationPathError::Malformed { level };
    let out_of_range = |level| DerivationPathError::IndexOutOfRange { level };
    for (text, expected) in [
        ("", DerivationPathError::NoMaster),
        ("M/0", DerivationPathError::NoMaster),
        ("44'/60'", DerivationPathError::NoMaster),
        ("/0", DerivationPathError::NoMaster),
        (" m/0", DerivationPathError::NoMaster),
        ("m'/0", DerivationPathError::NoMaster),
        ("m/", malformed(1)),
        ("m/0/", malformed(2)),
        ("m//0", malformed(1)),
        ("m/'", malformed(1)),
        ("m/0''", malformed(1)),
        ("m/0'h", malformed(1)),
        ("m/0/+1", malformed(2)),
        ("m/-1", malformed(1)),
        ("m/ 1", malformed(1)),
        ("m/00", malformed(1)),
        ("m/044'", malformed(1)),
        ("m/1_0", malformed(1)),
        ("m/0x1", malformed(1)),
        ("m/1\u{2019}", malformed(1)),
        ("m/\u{661}", malformed(1)),
        ("m/*", malformed(1)),
        ("m/2147483648", out_of_range(1)),
        ("m/0/2147483648'", out_of_range(2)),
        ("m/4294967296", out_of_range(1)),
        ("m/99999999999999999999999999", out_of_range(1)),
    ] {
        assert_eq!(text.parse::<DerivationPath>(), Err(expected), "{text:?}");
    }
}

#[test]
fn a_path_has_at_most_255_levels() {
    let deepest = format!("m{}", "/0'".repeat(DerivationPath::MAX_DEPTH));
    let path: DerivationPath = deepest.parse().unwrap();
    assert_eq!(path.to_string(), deepest);
    assert_eq!(format!("{deepest}/0").parse::<DerivationPath>(), Err(DerivationPathError::TooDeep));
    let zeros = std::iter::repeat(ChildNumber::normal(0).unwrap());
    assert_eq!(DerivationPath::new(zeros), Err(DerivationPathError::TooDeep));

    let seed = Seed::from_bytes(&[7; 64]).unwrap();
    let key = ExtendedSigningKey::derive(Curve::Ed25519, &seed, &path).unwrap();
    assert_eq!(key.depth(), 255);
    assert_eq!(key.child(ChildNumber::hardened(0).unwrap()).unwrap_err(), DeriveError::TooDeep);
}

#[test]
fn a_path_is_read_with_any_mark_of_hardening_and_written_with_one() {
    let path: DerivationPath = "m/44h/0H/0'/2147483647h/2147483647".parse().unwrap();
    assert_eq!(path.to_string(), "m/44'/0'/0'/2147483647'/2147483647");
    assert_eq!("m".parse(), Ok(DerivationPath::default()));
    assert_eq!(DerivationPath::default().to_string(), "m");
}

#[test]
fn ed25519_refuses_a_level_that_is_not_hardened_and_names_it() {
    let seed = Seed::from_bytes(&[7; 64]).unwrap();
    for (path, level) in [("m/0", 1), ("m/44'/501'/0'/0", 4), ("m/44'/501'/0/0", 3)] {
        let refused = SigningKey::derive(Curve::Ed25519, &seed, &path.parse().unwrap()).unwrap_err();
        assert_eq!(refused, DeriveError::HardenedOnly { curve: Curve::Ed25519, level });
        assert!(refused.to_string().contains(&format!("level {level} ")), "{refused}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let mnemonic = Mnemonic::from_phrase(JUNK).unwrap();
    assert_eq!(format!("{mnemonic:?}"), "Mnemonic { .. }");
    assert_eq!(format!("{mnemonic:#?}"), "Mnemonic { .. }");
    let seed = mnemonic.to_seed("");
    assert_eq!(format!("{seed:?}"), "Seed { .. }");
    assert_eq!(format!("{seed:#?}"), "Seed { .. }");
    let key = ExtendedSigningKey::derive(Curve::Ed25519, &seed, &standard::solana(0).unwrap()).unwrap();
    assert_eq!(format!("{key:?}"), "ExtendedSigningKey { curve: Ed25519, depth: 4, .. }");
}

proptest! {
    #[test]
    fn a_path_survives_being_written_and_read(path in any_path(0..20)) {
        prop_assert_eq!(path.to_string().parse(), Ok(path));
    }

    #[test]
    fn text_that_is_a_path_is_its_one_spelling(text in "m(/(0|[0-9]{1,11})'?){0,6}") {
        if let Ok(path) = text.parse::<DerivationPath>() {
            prop_assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in any::<String>()) {
        let _: Result<DerivationPath, _> = text.parse();
        let _: Result<Mnemonic, _> = Mnemonic::from_phrase(&text);
        let _: Result<DerivationPath, _> = format!("m/{text}").parse();
    }

    #[test]
    fn a_mnemonic_survives_being_written_and_read(
        entropy in prop::sample::select(vec![16, 20, 24, 28, 32])
            .prop_flat_map(|len| prop::collection::vec(any::<u8>(), len)),
    ) {
        let mnemonic = Mnemonic::from_entropy(&entropy).unwrap();
        prop_assert_eq!(mnemonic.as_phrase().split(' ').count(), entropy.len() / 4 * 3);
        let read = Mnemonic::from_phrase(mnemonic.as_phrase()).unwrap();
        prop_assert_eq!(read.as_phrase(), mnemonic.as_phrase());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_path_is_derived_step_by_step(
        seed in prop::collection::vec(any::<u8>(), 16..=64),
        path in any_path(0..6),
        is_ed25519 in any::<bool>(),
    ) {
        let seed = Seed::from_bytes(&seed).unwrap();
        let (curve, path) = if is_ed25519 { (Curve::Ed25519, harden(&path)) } else { (Curve::Secp256k1, path) };
        let mut key = ExtendedSigningKey::master(curve, &seed).unwrap();
        for number in path.child_numbers() {
            key = key.child(*number).unwrap();
        }
        prop_assert_eq!(key.depth(), path.child_numbers().len());
        prop_assert_eq!(key.signing_key(), SigningKey::derive(curve, &seed, &path));
    }

    #[test]
    fn secp256k1_keys_are_those_of_another_implementation(
        seed in prop::sample::select(vec![16, 32, 64]).prop_flat_map(|len| prop::collection::vec(any::<u8>(), len)),
        path in any_path(0..6),
    ) {
        let theirs = bip32::XPrv::derive_from_path(&seed, &path.to_string().parse().unwrap()).unwrap();
        let seed = Seed::from_bytes(&seed).unwrap();
        let ours = SigningKey::derive(Curve::Secp256k1, &seed, &path).unwrap();
        prop_assert_eq!(*ours.secret_bytes(), theirs.to_bytes());
    }
}

fn derive(curve: Curve, phrase: &str, path: &str) -> SigningKey {
    let seed = Mnemonic::from_phrase(phrase).unwrap().to_seed("");
    SigningKey::derive(curve, &seed, &path.parse().unwrap()).unwrap()
}

fn any_path(levels: std::ops::Range<usize>) -> impl Strategy<Value = DerivationPath> {
    let number = (0..1_u32 << 31, any::<bool>()).prop_map(|(index, is_hardened)| {
        if is_hardened { ChildNumber::hardened(index).unwrap() } else { ChildNumber::normal(index).unwrap() }
    });
    prop::collection::vec(number, levels).prop_map(|numbers| DerivationPath::new(numbers).unwrap())
}

fn harden(path: &DerivationPath) -> DerivationPath {
    DerivationPath::new(path.child_numbers().iter().map(|number| ChildNumber::hardened(number.index()).unwrap()))
        .unwrap()
}

/// Not random at all, so that what is drawn is known.
struct Constant(u8);

impl TryRng for Constant {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_ne_bytes([self.0; 4]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_ne_bytes([self.0; 8]))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0);
        Ok(())
    }
}

impl TryCryptoRng for Constant {}
