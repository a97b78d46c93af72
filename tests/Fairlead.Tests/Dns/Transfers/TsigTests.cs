using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using static Fairlead.Tests.Dns.DnsTestBed;

namespace Fairlead.Tests.Dns.Transfers;

public class TsigTests
{
    // What kdig of Knot 3.2.6 sent for `example.com SOA` with -y ALGORITHM:Transfer.Example:SECRET.
    private const string Secret = "c2VjcmV0LW9mLXRoZS10cmFuc2ZlcnM=";

    private const string Head = "01200001000000000001076578616d706c6503636f6d0000060001087472616e73666572076578616d706c"
        + "650000fa00ff00000000";

    public static TheoryData<string, string> Golden => new()
    {
        {
            "hmac-sha1",
            $"7144{Head}002f09686d61632d736861310000006b02eea8012c0014339026c53ad5069544f519c05fd5252d3896954c7144"
                + "00000000"
        },
        {
            "hmac-sha256",
            $"a9f1{Head}003d0b686d61632d7368613235360000006b02eea8012c0020cd2bcbf8cdf6caccc0b15457b69c313b9cc9ea15"
                + "234c8edcd38bc12b9956bd73a9f100000000"
        },
        {
            "hmac-sha384",
            $"62b7{Head}004d0b686d61632d7368613338340000006b02eea8012c0030ad8dc87761764a4021d4b53615fa6e7a55060395"
                + "d49e4fe49775ec90d9a20e8a325b4c3380fb6df20685e518dd49684a62b700000000"
        },
        {
            "hmac-sha512",
            $"d8c0{Head}005d0b686d61632d7368613531320000006b02eea8012c0040d5b00a48112ee8513d1ed508d1b99d43ecd193ac"
                + "8dc7655114e086bbf30f57c4676e6d9eb84daa3562f08d19f39dc2c28e4557398a812558780f697bfab67523d8c0"
                + "00000000"
        },
    };

    private static DateTimeOffset Now => DateTimeOffset.FromUnixTimeSeconds(0x6b02eea8);

    public static TsigKey Key(string algorithm = "hmac-sha256", string name = "transfer.example", string? secret = null)
    {
        Assert.True(TsigKey.TryParse(name, algorithm, secret ?? Secret, out TsigKey? key, out string problem), problem);
        return key;
    }

    /// <summary>RFC 8945 §4.3.3: what is signed.</summary>
    [Theory]
    [MemberData(nameof(Golden))]
    public void Takes_what_kdig_signed_and_signs_the_same(string algorithm, string hex)
    {
        byte[] golden = Convert.FromHexString(hex);
        TsigKey key = Key(algorithm);
        Assert.Equal(TsigVerdict.Valid, TsigSession.Open(new TsigKeys([key]), golden, Now, out TsigSession? session));
        Assert.Equal(key.Name, session!.SignedWith);

        byte[] ours = new byte[512];
        golden.CopyTo(ours, 0);
        ours[11] = 0;
        int length = 12 + 13 + 4;
        using TsigSession request = TsigSession.Request(key, ours, ref length, Now);
        // Ours is the same but for the case of the key's name.
        Assert.Equal(hex, Convert.ToHexStringLower(ours.AsSpan(0, length)));
        session.Dispose();
    }

    [Theory]
    [MemberData(nameof(Golden))]
    public void Any_changed_byte_is_seen(string algorithm, string hex)
    {
        byte[] golden = Convert.FromHexString(hex);
        var keys = new TsigKeys([Key(algorithm)]);
        for (int i = 0; i < golden.Length * 8; i++)
        {
            byte[] damaged = [.. golden];
            damaged[i / 8] ^= (byte)(1 << (i % 8));
            TsigVerdict verdict = TsigSession.Open(keys, damaged, Now, out TsigSession? session);
            // The ID is not covered (the original one is), nor is the case of names in the record.
            bool free = i < 16 || (i / 8 is > 29 and < 80 && (damaged[i / 8] ^ golden[i / 8]) == 0x20);
            Assert.True(free || verdict != TsigVerdict.Valid, $"bit {i}");
            session?.Dispose();
        }
    }

    /// <summary>RFC 8945 §5.2: the checks in their order.</summary>
    [Fact]
    public void Each_refusal_is_the_one_of_the_rfc()
    {
        byte[] request = Signed(Key(), Now);
        TsigVerdict Judged(byte[] message, DateTimeOffset now, params TsigKey[] keys) =>
            TsigSession.Open(new TsigKeys(keys), message, now, out _);
        Assert.Equal(TsigVerdict.Valid, Judged(request, Now.AddSeconds(300), Key()));
        Assert.Equal(TsigVerdict.Valid, Judged(request, Now.AddSeconds(-300), Key()));
        Assert.Equal(TsigVerdict.BadTime, Judged(request, Now.AddSeconds(301), Key()));
        Assert.Equal(TsigVerdict.BadTime, Judged(request, Now.AddSeconds(-301), Key()));
        Assert.Equal(TsigVerdict.BadKey, Judged(request, Now));
        Assert.Equal(TsigVerdict.BadKey, Judged(request, Now, Key(name: "other.example")));
        Assert.Equal(TsigVerdict.BadKey, Judged(request, Now, Key("hmac-sha512")));
        Assert.Equal(TsigVerdict.BadSignature, Judged(request, Now, Key(secret: "b3RoZXI=")));
        // Nothing about time is told to who has not the key.
        Assert.Equal(TsigVerdict.BadSignature, Judged(request, Now.AddDays(1), Key(secret: "b3RoZXI=")));
        Assert.Equal(TsigVerdict.BadTruncation, Judged(Truncated(request, 16), Now, Key()));
        Assert.Equal(TsigVerdict.Malformed, Judged(Truncated(request, 15), Now, Key()));
        Assert.Equal(TsigVerdict.Malformed, Judged([.. request, 0], Now, Key()));
        Assert.Equal(TsigVerdict.Unsigned, Judged(Query("example.com", RecordType.Soa), Now, Key()));
        // TSIG must be the last record.
        byte[] followed = [.. request, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
        followed[11]++;
        Assert.Equal(TsigVerdict.Malformed, Judged(followed, Now, Key()));
    }

    /// <summary>RFC 8945 §5.3.1: messages of a stream.</summary>
    [Fact]
    public void A_stream_of_messages_is_one_chain()
    {
        TsigKey key = Key();
        byte[] request = new byte[512];
        Query("example.com", RecordType.Axfr).CopyTo(request, 0);
        int length = 29;
        using TsigSession client = TsigSession.Request(key, request, ref length, Now);
        TsigSession.Open(new TsigKeys([key]), request.AsSpan(0, length), Now, out TsigSession? server);
        var messages = new List<byte[]>();
        for (int i = 0; i < 5; i++)
        {
            byte[] message = new byte[512];
            Query("example.com", RecordType.Axfr).CopyTo(message, 0);
            message[2] |= 0x80;
            message[28] = (byte)i;
            messages.Add(message[..server!.Sign(message, 29, Now)]);
        }

        foreach (byte[] message in messages) Assert.Equal(TsigVerdict.Valid, client.Verify(message, Now));
        Assert.True(client.IsComplete);

        // One left out breaks the chain; so does one that comes twice.
        using TsigSession second = Reopen(key);
        Assert.Equal(TsigVerdict.Valid, second.Verify(messages[0], Now));
        Assert.Equal(TsigVerdict.BadSignature, second.Verify(messages[2], Now));
        using TsigSession third = Reopen(key);
        Assert.Equal(TsigVerdict.Valid, third.Verify(messages[0], Now));
        Assert.Equal(TsigVerdict.BadSignature, third.Verify(messages[0], Now));
        // The first must be signed, later ones need not, but the last does.
        using TsigSession fourth = Reopen(key);
        Assert.Equal(TsigVerdict.Unsigned, fourth.Verify(Query("example.com", RecordType.Axfr), Now));
        using TsigSession fifth = Reopen(key);
        Assert.Equal(TsigVerdict.Valid, fifth.Verify(messages[0], Now));
        Assert.Equal(TsigVerdict.Valid, fifth.Verify(Query("example.com", RecordType.Axfr), Now));
        Assert.False(fifth.IsComplete);
        server!.Dispose();
    }

    [Fact]
    public void Errors_are_told_as_the_rfc_says()
    {
        TsigKey key = Key();
        byte[] request = Signed(key, Now);
        // BADTIME: signed, at the client's time, with ours beside it.
        TsigSession.Open(new TsigKeys([key]), request, Now.AddSeconds(1000), out TsigSession? session);
        byte[] answer = Response(session!);
        Assert.True(TsigRecord.TryFind(answer, out bool found, out TsigRecord tsig) && found);
        Assert.Equal(((ulong)Now.ToUnixTimeSeconds(), 18, 32), (tsig.TimeSigned, tsig.Error, tsig.Mac.Length));
        Assert.Equal([0, 0, 0x6b, 0x02, 0xf2, 0x90], tsig.Other.ToArray());
        // BADSIG: not signed.
        TsigSession.Open(new TsigKeys([Key(secret: "b3RoZXI=")]), request, Now, out session);
        Assert.True(TsigRecord.TryFind(Response(session!), out _, out tsig));
        Assert.Equal((16, 0), (tsig.Error, tsig.Mac.Length));
    }

    [Fact]
    public void No_message_ends_in_an_exception() => Property.Holds(2000, random =>
    {
        byte[] message = Signed(Key(), Now);
        for (int i = random.Next(1, 6); i > 0; i--) message[random.Next(message.Length)] = (byte)random.Next(256);
        if (random.Next(3) == 0) message = message[..random.Next(message.Length)];
        TsigSession.Open(new TsigKeys([Key()]), message, Now, out TsigSession? session);
        session?.Dispose();
        using TsigSession client = Reopen(Key());
        client.Verify(message, Now);
    });

    private static byte[] Response(TsigSession session)
    {
        byte[] message = new byte[512];
        Query("example.com", RecordType.Soa).CopyTo(message, 0);
        message[2] |= 0x80;
        return message[..session.Sign(message, 29, Now.AddSeconds(1000))];
    }

    private static byte[] Signed(TsigKey key, DateTimeOffset now)
    {
        byte[] message = new byte[512];
        Query("example.com", RecordType.Soa).CopyTo(message, 0);
        int length = 29;
        using TsigSession session = TsigSession.Request(key, message, ref length, now);
        return message[..length];
    }

    private static TsigSession Reopen(TsigKey key)
    {
        byte[] message = new byte[512];
        Query("example.com", RecordType.Axfr).CopyTo(message, 0);
        int length = 29;
        return TsigSession.Request(key, message, ref length, Now);
    }

    private static byte[] Truncated(byte[] request, int macBytes)
    {
        TsigRecord.TryFind(request, out _, out TsigRecord tsig);
        byte[] message = new byte[512];
        request.AsSpan(0, tsig.At).CopyTo(message);
        message[11]--;
        return message[..TsigRecord.Append(message, tsig.At, tsig.KeyName, tsig.Algorithm, tsig.TimeSigned, tsig.Fudge,
            tsig.Mac[..macBytes], tsig.OriginalId, TsigError.None, default)];
    }
}
