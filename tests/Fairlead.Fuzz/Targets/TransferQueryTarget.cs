using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Fuzz.Targets;

/// <summary>
/// What strangers and friends send to where zones are given out: AXFR, IXFR, NOTIFY, signed queries. The first byte of
/// an input says from where (bit 1), over what (bit 0), and whether the rest is signed before it is sent (bits 2, 3),
/// so that what a holder of a key can do is tried too. Nobody but the one with the right key and address may get the
/// zone.
/// </summary>
public sealed class TransferQueryTarget : IFuzzTarget
{
    private const int MessagesMax = 64;

    private readonly TsigKeys keys = new([TransferBed.Right, TransferBed.Other]);
    private readonly TransferHandler handler;
    private readonly byte[] response = new byte[ushort.MaxValue];
    private readonly byte[] query = new byte[4096];
    private readonly byte[] copy = new byte[4096];

    public TransferQueryTarget()
    {
        var secondaries = new SecondaryZones(new SecondaryOptions
        {
            // A folder that is not there: no copies, and it is never asked for one.
            Folder = "/nonexistent/fuzz",
            Keys = [TransferBed.Right, TransferBed.Other],
            Zones = [Secondary("example.net", TransferBed.Right.Name), Secondary("example.org", null)],
        });
        handler = new TransferHandler(new TransferOptions
        {
            Keys = [TransferBed.Right, TransferBed.Other],
            Allow = [new TransferRule { From = [Prefix.Parse("192.0.2.0/24")], Keys = [TransferBed.Right.Name] }],
            MessageBytes = 1024,
        }, null, secondaries, TransferBed.Clock);
        for (uint serial = 1; serial <= 3; serial++) handler.Take(handler.Prepare(TransferBed.Table(serial)));
    }

    public string Name => "transfer-query";

    public bool IsText => false;

    public int BytesMax => 1472;

    public IReadOnlyList<byte[]> Tokens => TransferBed.Tokens;

    public int Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty) return 0;
        bool isStream = (input[0] & 1) != 0, isInside = (input[0] & 2) != 0;
        var asker = new Asker(
            isInside ? TransferBed.Inside : TransferBed.Outside, isStream ? Transport.Tcp : Transport.Udp, 5353);
        input[1..].CopyTo(query);
        int length = input.Length - 1, unsigned = length;
        TsigKey? key = ((input[0] >> 2) & 3) switch { 1 => TransferBed.Right, 2 => TransferBed.Other, _ => null };
        using TsigSession? client = key is null || length < QueryMessage.HeaderBytes
            ? null
            : TsigSession.Request(key, query, ref length, TransferBed.Now);
        ReadOnlySpan<byte> sent = query.AsSpan(0, length);
        TsigVerdict verdict = TsigSession.Open(keys, sent, TransferBed.Now, out TsigSession? judged);
        bool mayHave = isInside && judged?.SignedWith == TransferBed.Right.Name;
        judged?.Dispose();

        var seen = new Behaviour();
        seen.Add((int)verdict);
        seen.Add(input[0] & 3);
        int answered = handler.Answer(sent, asker, response.AsSpan(0, isStream ? response.Length : 1232));
        BrokenPromiseException.Unless(isStream || answered <= 1232, "a datagram has its limit");
        if (answered > 0) Check(sent, answered, mayHave, verdict == TsigVerdict.Valid ? client : null, ref seen);
        if (QueryMessage.Read(sent, out QueryMessage asked) != QueryFault.None
            || asked.Type is not (RecordType.Axfr or RecordType.Ixfr)) return seen.Number;
        seen.Add((int)asked.Type);
        // A session verifies one exchange. The same request has the same signature, so another one does for this.
        input[1..].CopyTo(copy);
        using TsigSession? again = client is null
            ? null
            : TsigSession.Request(key!, copy, ref unsigned, TransferBed.Now);
        using IAnswerStream stream = handler.Open(sent, asker)
            ?? throw new BrokenPromiseException("a transfer that is asked for gets an answer");
        int messages = 0;
        while ((answered = stream.Next(response)) > 0)
        {
            BrokenPromiseException.Unless(++messages <= MessagesMax, "a transfer has an end");
            Check(sent, answered, mayHave, verdict == TsigVerdict.Valid ? again : null, ref seen);
        }

        BrokenPromiseException.Unless(messages > 0, "a stream says something");
        seen.Add(Math.Min(messages, 8));
        return seen.Number;
    }

    private static SecondaryZone Secondary(string origin, DnsName? key) => new(
        DnsName.Parse(origin), [new Primary { Address = IPEndPoint.Parse("192.0.2.1:53"), Key = key }]);

    private void Check(ReadOnlySpan<byte> sent, int length, bool mayHave, TsigSession? client, ref Behaviour seen)
    {
        ReadOnlySpan<byte> answer = response.AsSpan(0, length);
        BrokenPromiseException.Unless(length >= QueryMessage.HeaderBytes, "an answer has a header");
        BrokenPromiseException.Unless(answer[..2].SequenceEqual(sent[..2]), "the id is echoed");
        BrokenPromiseException.Unless((answer[2] & 0x80) != 0, "an answer is a response");
        // In a transfer the TXT of the newest version is the sign; ordinary queries for it are everybody's.
        bool isTransfer = QueryMessage.Read(sent, out QueryMessage asked) == QueryFault.None
            && asked.Type is RecordType.Axfr or RecordType.Ixfr;
        BrokenPromiseException.Unless(
            mayHave || !isTransfer || answer.IndexOf("secret"u8) < 0, "no zone for who may not have it");
        if (client is not null)
        {
            BrokenPromiseException.Unless(
                client.Verify(answer, TransferBed.Now) == TsigVerdict.Valid, "what comes signed is answered signed");
        }

        seen.Add(answer[2]);
        seen.Add(answer[3]);
        seen.Add(Math.Min((int)answer[7], 3));
    }
}
