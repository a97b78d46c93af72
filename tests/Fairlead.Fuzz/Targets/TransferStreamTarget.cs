using System.Buffers.Binary;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Fuzz.Targets;

/// <summary>
/// What a hostile primary sends: messages, each behind its length. The first byte of an input says what was asked for
/// (bit 0: IXFR from version 2), and whether the answer must be signed (bit 1), is signed with the right key before it
/// comes (bit 2), and has the right ID (not bit 3). A zone that was taken must be one that can be kept and read back.
/// </summary>
public sealed class TransferStreamTarget : IFuzzTarget
{
    private const int ZoneBytesMax = 1 << 20;

    private readonly TsigKeys keys = new([TransferBed.Right]);
    private readonly Zone previous = TransferBed.Version(2);

    public string Name => "transfer-stream";

    public bool IsText => false;

    public int BytesMax => 8192;

    public IReadOnlyList<byte[]> Tokens => TransferBed.Tokens;

    public int Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty) return 0;
        bool isIncremental = (input[0] & 1) != 0, isSigned = (input[0] & 2) != 0;
        byte[] request = new byte[512];
        int length = Request(request, isIncremental ? RecordType.Ixfr : RecordType.Axfr);
        using TsigSession? client =
            isSigned ? TsigSession.Request(TransferBed.Right, request, ref length, TransferBed.Now) : null;
        ReadOnlyMemory<byte> sent = request.AsMemory(0, length);
        TsigSession? server = null;
        if (isSigned && (input[0] & 4) != 0)
            _ = TsigSession.Open(keys, sent.Span, TransferBed.Now, out server);
        using (server)
        {
            var received = new ReceivedZone(TransferBed.Origin, isIncremental ? previous : null, ZoneBytesMax);
            var answer = new TransferAnswer(
                sent, client, Opcode.Query, message => TransferAnswer.TakeAll(message, received.Take));
            var seen = new Behaviour();
            seen.Add(input[0] & 7);
            try
            {
                for (ReadOnlySpan<byte> rest = input[1..]; rest.Length >= 2 && !answer.IsComplete;)
                    answer.Take(Message(ref rest, server, (input[0] & 8) == 0), TransferBed.Now);
                if (!answer.IsComplete) return seen.Number;
                seen.Add(received.IsIncremental ? 1 : received.IsUpToDate ? 2 : 3);
                if (!received.IsUpToDate) Build(received, ref seen);
            }
            catch (IOException refused)
            {
                // What is no transfer is refused with a reason.
                seen.AddMessage(refused.Message);
            }

            return seen.Number;
        }
    }

    private static void Build(ReceivedZone received, ref Behaviour seen)
    {
        Zone? zone = received.Build(out List<string> problems);
        BrokenPromiseException.Unless(zone is null == problems.Count > 0, "a zone, or why there is none");
        seen.Add(Math.Min(problems.Count, 3));
        if (problems.Count > 0) seen.AddMessage(problems[0]);
        if (zone is null) return;
        BrokenPromiseException.Unless(zone.Origin == TransferBed.Origin, "the zone that was asked for");
        string printed = MasterFile.Print(zone);
        MasterFileResult again = MasterFile.Read("copy", TransferBed.Origin, printed);
        BrokenPromiseException.Unless(
            again.Zone is not null, $"what is kept is read: {string.Join('\n', again.Problems.Take(3))}\n{printed}");
        BrokenPromiseException.Unless(MasterFile.Print(again.Zone!) == printed, $"and is the same\n{printed}");
        seen.Add(zone.SetCount);
    }

    private static byte[] Message(ref ReadOnlySpan<byte> rest, TsigSession? server, bool hasRightId)
    {
        int length = Math.Min(BinaryPrimitives.ReadUInt16BigEndian(rest), rest.Length - 2);
        byte[] message = new byte[length + (server?.RecordBytesMax ?? 0)];
        rest.Slice(2, length).CopyTo(message);
        rest = rest[(2 + length)..];
        if (hasRightId && length >= 2) (message[0], message[1]) = (0x12, 0x34);
        if (server is not null && length >= QueryMessage.HeaderBytes)
            length = server.Sign(message, length, TransferBed.Now);
        return message[..length];
    }

    private int Request(byte[] message, RecordType type)
    {
        byte[] question = [.. TransferBed.Origin.Wire, 0, (byte)type, 0, 1];
        ((byte[])[0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. question]).CopyTo(message, 0);
        int length = QueryMessage.HeaderBytes + question.Length;
        if (type != RecordType.Ixfr) return length;
        message[9] = 1;
        byte[] soa = [0xc0, 12, 0, 6, 0, 1, 0, 0, 1, 44, 0, (byte)previous.Soa[0].Length, .. previous.Soa[0]];
        soa.CopyTo(message, length);
        return length + soa.Length;
    }
}
