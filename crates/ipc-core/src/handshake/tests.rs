use super::*;
use proptest::prelude::*;

fn hello() -> Hello {
    Hello {
        version_min: 1,
        version_max: 1,
        offered: Features(3),
        required: Features(0),
        crc: CrcMode::Off,
        rings: [0; RINGS],
        limits: Limits::DEFAULT,
        engine: [7; 16],
        token: b"secret".to_vec(),
    }
}

fn policy() -> Policy {
    Policy {
        features: Features(3),
        crc: CrcMode::Header,
        rings: [0; RINGS],
        rings_max: [0; RINGS],
        in_one_piece: false,
        limits: Limits::DEFAULT,
        token: None,
    }
}

fn refused(policy: &Policy, hello: &Hello) -> Code {
    policy.negotiate(&hello.encode()).unwrap_err().code()
}

#[test]
fn every_message_survives_the_round_trip() {
    let hello = hello();
    assert_eq!(Hello::decode(&hello.encode()).unwrap(), hello);
    let address = Address { name: "ringpost.x".into(), nonce: [3; 16] };
    let welcome = Welcome {
        version: 1,
        transport: Transport::Portable,
        features: Features(3),
        agreement: policy().negotiate(&hello.encode()).unwrap().agreement,
        session: [1; 16],
        engine: [2; 16],
        address: Some(address),
    };
    assert_eq!(Welcome::decode(&welcome.encode()).unwrap(), welcome);
    welcome.check(&hello).unwrap();
    let reject =
        Reject { code: Code::Token, versions: (1, 1), reason: "the token is wrong".into() };
    assert_eq!(Reject::decode(&reject.encode()).unwrap(), reject);
}

#[test]
fn a_protocol_from_the_future_is_refused_with_both_ranges_even_if_its_rest_is_unknown() {
    let error = policy().negotiate(&[9, 0, 12, 0, 1, 2, 3]).unwrap_err();
    assert_eq!(error.code(), Code::Version);
    assert!(error.to_string().contains("9 to 12") && error.to_string().contains("1 to 1"));
    let next = Hello { version_max: 2, ..hello() };
    assert_eq!(policy().negotiate(&next.encode()).unwrap().version, 1);
}

#[test]
fn what_a_later_version_appends_is_ignored() {
    let mut payload = hello().encode();
    payload.extend([1, 2, 3]);
    assert_eq!(Hello::decode(&payload).unwrap(), hello());
    assert_eq!(Handover::decode(&[1, 0, 9, 9]).unwrap(), Handover { version: 1 });
}

#[test]
fn a_name_goes_to_a_server_that_knows_the_token_and_speaks_a_common_version() {
    let policy = Policy { token: Some(b"secret".to_vec()), ..policy() };
    let consent = |request: &TakeOver| policy.consent(&request.encode()).map_err(|e| e.code());
    let request = TakeOver::new(b"secret".to_vec());
    assert_eq!(consent(&request), Ok(Handover { version: 1 }));
    let next = TakeOver { version_max: 2, ..request.clone() };
    assert_eq!(consent(&next), Ok(Handover { version: 1 }));
    let future = TakeOver { version_min: 2, ..next };
    assert_eq!(consent(&future), Err(Code::Version));
    for token in ["", "secre", "secret!", "secreT"] {
        assert_eq!(consent(&TakeOver::new(token.into())), Err(Code::Token));
    }
    for version in [0u16, 2] {
        assert!(Handover::decode(&version.to_le_bytes()).is_err());
    }
}

#[test]
fn unknown_features_are_ignored_when_offered_and_refused_when_required() {
    let offered = Hello { offered: Features(1 << 40 | 3), ..hello() };
    assert_eq!(policy().negotiate(&offered.encode()).unwrap().features, Features(3));
    let required = Hello { required: Features(1 << 40), ..hello() };
    assert_eq!(refused(&policy(), &required), Code::Feature);
}

#[test]
fn without_a_common_transport_there_is_none() {
    let portable = Hello { offered: Features::NAMED, ..hello() };
    assert_eq!(policy().negotiate(&portable.encode()).unwrap().transport, Transport::Portable);
    let sealed_only = Policy { features: Features::SEALED, ..policy() };
    assert_eq!(refused(&sealed_only, &portable), Code::Feature);
}

#[test]
fn a_token_has_to_be_right_where_one_is_asked_for() {
    let policy = Policy { token: Some(b"secret".to_vec()), ..policy() };
    policy.negotiate(&hello().encode()).unwrap();
    for wrong in ["", "secre", "secret!", "Secret"] {
        let hello = Hello { token: wrong.into(), ..hello() };
        assert_eq!(refused(&policy, &hello), Code::Token, "{wrong}");
    }
}

#[test]
fn the_stricter_wish_holds() {
    let limits = Limits { message_len_max: 10, pending_max: 70, names_max: 8 };
    let hello = Hello { crc: CrcMode::Full, limits, ..hello() };
    let agreement = policy().negotiate(&hello.encode()).unwrap().agreement;
    assert_eq!((agreement.crc, agreement.limits), (CrcMode::Full, limits));
}

#[test]
fn impossible_geometry_is_refused() {
    for wish in [1, 4097, 1 << 31] {
        let hello = Hello { rings: [wish, 0, 0, 0, 0], ..hello() };
        assert_eq!(refused(&policy(), &hello), Code::Handshake, "{wish}");
    }
    let hello = Hello { rings: [0, 0, 1 << 16, 0, 0], ..hello() };
    let agreement = policy().negotiate(&hello.encode()).unwrap().agreement;
    assert_eq!(agreement.geometry.rings[2], 1 << 16);
}

#[test]
fn a_request_for_larger_rings_is_cut_to_the_limit_of_the_server() {
    let wish = |rings| Hello { rings, ..hello() };
    let agreed = |policy: &Policy, hello: &Hello| {
        policy.negotiate(&hello.encode()).unwrap().agreement.geometry.rings
    };
    let most = [64 << 20; RINGS];
    assert_eq!(agreed(&policy(), &wish(most)), Geometry::SPARSE_MAX.rings);
    let portable = Hello { offered: Features::NAMED, ..wish(most) };
    assert_eq!(agreed(&policy(), &portable), Geometry::DENSE_MAX.rings);
    let socket = Hello { offered: Features::SOCKET, ..wish(most) };
    let accepting = Policy { features: Features::SOCKET, ..policy() };
    assert_eq!(agreed(&accepting, &socket), Geometry::PRIVATE_MAX.rings);
    // What the server has chosen for itself it also gives, and what it has named as a limit holds.
    let generous = Policy { rings: [0, 0, 32 << 20, 0, 0], ..policy() };
    assert_eq!(agreed(&generous, &wish(most))[1..3], [4 << 20, 32 << 20]);
    let strict = Policy { rings_max: [4096, 0, 4096, 0, 8192], ..policy() };
    assert_eq!(agreed(&strict, &wish(most)), [4096, 4 << 20, 4096, 4 << 20, 8192]);
    assert_eq!(agreed(&strict, &hello())[..3], [4096, 64 << 10, 4096], "also without a wish");
    assert_eq!(agreed(&strict, &wish([4096; RINGS])), [4096; RINGS], "less is always given");
}

#[test]
fn what_has_to_be_one_piece_is_as_long_as_the_agreed_rings_allow() {
    let policy = Policy { in_one_piece: true, ..policy() };
    let agreed = |rings| {
        let hello = Hello { rings, ..hello() };
        policy.negotiate(&hello.encode()).unwrap().agreement.limits.message_len_max
    };
    assert_eq!(agreed([0; RINGS]), (64 << 10) / 4 - 24 - 128);
    assert_eq!(agreed([0, 0, 0, 4096, 0]), 1024 - 24 - 128);
    assert_eq!(agreed([64 << 20; RINGS]), (128 << 10) - 128, "no longer than a frame ever is");
}

#[test]
fn features_that_were_not_offered_are_not_agreed_on() {
    let terms = policy().negotiate(&hello().encode()).unwrap();
    let welcome = |features| Welcome {
        version: terms.version,
        transport: Transport::Sealed,
        features,
        agreement: terms.agreement,
        session: [0; 16],
        engine: [0; 16],
        address: None,
    };
    welcome(Features(1)).check(&hello()).unwrap();
    // Without the transport's own, or with more than the client has: streams, or what is not known.
    for wrong in [0, 2, 3 | 4, 3 | 1 << 40] {
        let code = welcome(Features(wrong)).check(&hello()).unwrap_err().code();
        assert_eq!(code, Code::Handshake, "{wrong:#x}");
    }
}

#[test]
fn a_range_of_versions_without_any_is_no_common_version() {
    for (version_min, version_max) in [(1, 0), (5, 1)] {
        assert_eq!(
            refused(&policy(), &Hello { version_min, version_max, ..hello() }),
            Code::Version
        );
    }
}

#[test]
fn limits_no_side_can_keep_are_malformed() {
    let limits = |limits: Limits| refused(&policy(), &Hello { limits, ..hello() });
    let most = Limits::DEFAULT;
    assert_eq!(limits(Limits { pending_max: 0, ..most }), Code::Handshake);
    assert_eq!(limits(Limits { pending_max: 65_537, ..most }), Code::Handshake);
    assert_eq!(limits(Limits { names_max: 0, ..most }), Code::Handshake);
    let mut payload = hello().encode();
    payload[4] = 3;
    assert_eq!(
        policy().negotiate(&payload).unwrap_err().code(),
        Code::Handshake,
        "checksum mode 3"
    );
    let long = Hello { token: vec![7; 1025], ..hello() };
    assert_eq!(refused(&policy(), &long), Code::Handshake);
    // What is reserved may come to mean something.
    let mut payload = hello().encode();
    payload[5..8].fill(0xff);
    policy().negotiate(&payload).unwrap();
}

#[test]
fn a_welcome_to_what_was_not_offered_is_refused() {
    let terms = policy().negotiate(&hello().encode()).unwrap();
    let welcome = Welcome {
        version: terms.version,
        transport: Transport::Sealed,
        features: terms.features,
        agreement: terms.agreement,
        session: [0; 16],
        engine: [0; 16],
        address: None,
    };
    welcome.check(&hello()).unwrap();
    let strict = Hello { crc: CrcMode::Full, ..hello() };
    assert_eq!(welcome.check(&strict).unwrap_err().code(), Code::Handshake);
    let portable = Hello { offered: Features::NAMED, ..hello() };
    assert_eq!(welcome.check(&portable).unwrap_err().code(), Code::Handshake);
}

proptest! {
    #![proptest_config(crate::seeds::properties())]

    #[test]
    fn arbitrary_payloads_are_decoded_or_refused(
        payload in proptest::collection::vec(any::<u8>(), 0..300)
    ) {
        let _ = policy().negotiate(&payload);
        let _ = Welcome::decode(&payload);
        let _ = policy().consent(&payload);
        let _ = Handover::decode(&payload);
        if let Ok(reject) = Reject::decode(&payload) {
            prop_assert!(!reject.into_error().to_string().contains('\n'));
        }
    }

    #[test]
    fn a_cut_payload_is_refused(len in 0usize..93) {
        let payload = hello().encode();
        prop_assert!(Hello::decode(&payload[..len.min(payload.len() - 1)]).is_err());
    }
}
