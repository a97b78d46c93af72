using System.Buffers.Binary;

namespace Fairlead.Fuzz.Targets;

/// <summary>
/// Reads an answer beside its query, with nothing of the code that wrote it, and throws on the first thing that is not
/// as RFC 1035 §4.1 and RFC 6891 §6.1 have it.
/// </summary>
internal readonly ref struct ReplyCheck
{
    private const int HeaderBytes = 12;
    private const int Opt = 41;
    private const int OurUdpBytesMax = 1232;

    private readonly ReadOnlySpan<byte> reply;

    public ReplyCheck(ReadOnlySpan<byte> query, ReadOnlySpan<byte> reply, bool isStream)
    {
        this.reply = reply;
        bool silent = query.Length < HeaderBytes || (query[2] & 0x80) != 0;
        Keep(reply.IsEmpty == silent, "no answer to a response, or to less than a header; one to everything else");
        if (reply.IsEmpty) return;
        Keep(reply.Length >= HeaderBytes, "an answer has a header");
        Keep(reply[..2].SequenceEqual(query[..2]), "the id is echoed");
        Keep((reply[2] & 0x80) != 0, "an answer is a response");
        Keep((reply[2] & 0x79) == (query[2] & 0x79), "opcode and RD are echoed");
        Keep((reply[3] & 0xc0) == 0, "RA and Z are off");
        bool isSound = TryReadQuery(query, out int questionEnd, out int optAt);
        int limit = isStream ? ushort.MaxValue
            : !isSound ? OurUdpBytesMax
            : optAt < 0 ? 512
            : Math.Clamp((int)U16(query, optAt + 3), 512, OurUdpBytesMax);
        Keep(reply.Length <= limit, $"an answer of {reply.Length} bytes is over {limit}");

        int at = HeaderBytes;
        int questions = U16(reply, 4);
        Keep(questions <= 1, "one question at most");
        if (questions == 1)
        {
            at = SkipName(at) + 4;
            Keep(at <= query.Length && reply[HeaderBytes..at].SequenceEqual(query[HeaderBytes..at]),
                "the question is echoed, its case too");
        }

        bool isQuery = (query[2] & 0x78) == 0;
        if (isSound && isQuery && U16(query, 4) == 1) Keep(questions == 1, "a sound question is echoed");
        int replyOptAt = -1;
        for (int section = 0; section < 3; section++)
        {
            for (int count = U16(reply, 6 + (section * 2)); count > 0; count--)
            {
                int owner = at;
                at = Record(at, section, out int type);
                if (type != Opt) continue;
                Keep(section == 2 && replyOptAt < 0 && reply[owner] == 0, "one OPT, at the root, in the last section");
                replyOptAt = owner;
            }
        }

        Keep(at == reply.Length, "nothing stands behind the last record");
        if (isSound && isQuery) Keep(replyOptAt >= 0 == optAt >= 0, "OPT for those, and only those, who sent one");
        bool truncated = (reply[2] & 2) != 0;
        Keep(!truncated || !isStream, "nothing is cut on a stream");
        int rcode = reply[3] & 0xf;
        if (replyOptAt >= 0)
        {
            rcode |= reply[replyOptAt + 5] << 4;
            if (isSound && isQuery) CheckSubnet(query, optAt, replyOptAt);
        }

        Rcode = rcode;
        var seen = new Behaviour();
        seen.Add(rcode);
        seen.Add(reply[2]);
        for (int i = 6; i < HeaderBytes; i += 2) seen.Add(Math.Min(U16(reply, i), (ushort)6));
        seen.Add(replyOptAt < 0 ? 0 : 1 + OptionBits(replyOptAt));
        if (isSound && questionEnd > 4) seen.Add(Math.Min((int)U16(query, questionEnd - 4), 300));
        Seen = seen.Number;
    }

    public int Length => reply.Length;

    public bool IsEmpty => reply.IsEmpty;

    public int Rcode { get; }

    /// <summary>Equal for answers that look alike.</summary>
    public int Seen { get; }

    private static void Keep(bool kept, string promise) => BrokenPromiseException.Unless(kept, promise);

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]);

    // Strict: one question without pointers, whole records, one OPT of version 0 at most, which begins at optAt.
    private static bool TryReadQuery(ReadOnlySpan<byte> query, out int questionEnd, out int optAt)
    {
        (questionEnd, optAt) = (0, -1);
        if (query.Length < HeaderBytes || U16(query, 4) != 1) return false;
        int at = HeaderBytes;
        if (!TrySkip(query, ref at, false) || at + 4 > query.Length || at - HeaderBytes > 255) return false;
        questionEnd = at += 4;
        int before = U16(query, 6) + U16(query, 8);
        for (int count = before + U16(query, 10); count > 0; count--)
        {
            int owner = at;
            if (!TrySkip(query, ref at, true) || at + 10 > query.Length) return false;
            int type = U16(query, at), length = U16(query, at + 8);
            if (type == Opt)
            {
                if (count > U16(query, 10) || optAt >= 0 || query[owner] != 0 || query[at + 5] != 0) return false;
                optAt = owner;
            }

            at += 10 + length;
            if (at > query.Length) return false;
        }

        return at == query.Length && (optAt < 0 || OptionsAreWhole(query, optAt));
    }

    private static bool OptionsAreWhole(ReadOnlySpan<byte> query, int optAt)
    {
        int at = optAt + 11, end = at + U16(query, optAt + 9);
        while (at < end)
        {
            if (at + 4 > end) return false;
            // Those whose content can be wrong: then it is a FORMERR, and this reader does not judge it.
            if (U16(query, at) is 8 or 10 or 19 && U16(query, at + 2) == 0 && U16(query, at) != 19) return false;
            at += 4 + U16(query, at + 2);
        }

        return at == end;
    }

    private static bool TrySkip(ReadOnlySpan<byte> query, ref int at, bool mayPoint)
    {
        for (int start = at; at < query.Length && at - start < 255;)
        {
            int length = query[at++];
            if (length == 0) return true;
            if (length >= 0xc0)
            {
                at++;
                return mayPoint && at <= query.Length;
            }

            if (length > 63) return false;
            at += length;
        }

        return false;
    }

    private int Record(int at, int section, out int type)
    {
        at = SkipName(at);
        Keep(at + 10 <= reply.Length, "a record has a whole head");
        type = U16(reply, at);
        int length = U16(reply, at + 8), data = at + 10, end = data + length;
        Keep(end <= reply.Length, "a record has all of its data");
        if (type != Opt) Keep(reply[at + 4] < 0x80, "a TTL is below 2^31");
        int names = type is 2 or 5 or 12 or 39 or 15 or 33 ? 1 : type == 6 ? 2 : 0;
        int before = type == 15 ? 2 : type == 33 ? 6 : 0;
        if (type is 1 or 28) Keep(length == (type == 1 ? 4 : 16), "an address has its length");
        if (names == 0) return end;
        int place = data + before;
        for (; names > 0; names--) place = SkipName(place);
        Keep(place + (type == 6 ? 20 : 0) == end, $"data of type {type} ends where its length says, section {section}");
        return end;
    }

    // RFC 1035 §4.1.4: a pointer points to a prior occurrence.
    private int SkipName(int at)
    {
        int after = -1;
        for (int bytes = 1, limit = at; ;)
        {
            Keep(at < reply.Length, "a name ends within the message");
            int length = reply[at];
            if (length == 0) return after < 0 ? at + 1 : after;
            if (length >= 0xc0)
            {
                Keep(at + 1 < reply.Length, "a pointer has two bytes");
                int target = U16(reply, at) & 0x3fff;
                Keep(target < limit && target >= HeaderBytes, "a pointer goes backwards, and not into the header");
                if (after < 0) after = at + 2;
                at = limit = target;
                continue;
            }

            Keep(length <= 63, "a label has at most 63 bytes");
            bytes += length + 1;
            Keep(bytes <= 255, "a name has at most 255 bytes");
            at += length + 1;
        }
    }

    // RFC 7871 §7.2.1: family, source and address come back; the scope is ours, never longer than what was told.
    private void CheckSubnet(ReadOnlySpan<byte> query, int optAt, int replyOptAt)
    {
        ReadOnlySpan<byte> told = OptionOf(query, optAt, 8), said = OptionOf(reply, replyOptAt, 8);
        if (said.IsEmpty) return;
        Keep(said.Length == told.Length && said.Length >= 4, "a subnet comes back to who sent one");
        Keep(said[..3].SequenceEqual(told[..3]) && said[4..].SequenceEqual(told[4..]), "the subnet is echoed");
        Keep(said[3] <= told[2], "the scope is not longer than what was told");
    }

    private static ReadOnlySpan<byte> OptionOf(ReadOnlySpan<byte> message, int optAt, int code)
    {
        int at = optAt + 11, end = at + U16(message, optAt + 9);
        while (at + 4 <= end)
        {
            int length = U16(message, at + 2);
            if (U16(message, at) == code) return message.Slice(at + 4, length);
            at += 4 + length;
        }

        return default;
    }

    private int OptionBits(int optAt)
    {
        int bits = 0, at = optAt + 11, end = at + U16(reply, optAt + 9);
        while (at < end)
        {
            Keep(at + 4 <= end, "an option has a whole head");
            bits |= 1 << (U16(reply, at) & 31);
            at += 4 + U16(reply, at + 2);
        }

        Keep(at == end, "options end where OPT ends");
        return bits;
    }
}
