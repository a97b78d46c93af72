using Fairlead.Bgp.Session;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Bgp;

/// <summary>
/// RFC 7606, every attribute times every kind of damage, as one table: a good UPDATE in which one attribute is damaged
/// in one way, read alone and then on a living session.
/// </summary>
public class AttributeFaultTests
{
    // Type, who sends it (e: external, i: internal, o: external with two-octet AS numbers), flags, a good value, and
    // what is done about: a wrong optional bit, a wrong transitive bit, a value one octet short, one long, empty, the
    // attribute twice, an empty one behind the good one, before and behind all others.
    // D: attribute discard, W: treat-as-withdraw, R: session reset, -: accepted, .: there is no such case.
    private const string Table = """
        Origin              e 40 00                                         WWWWWDD-
        AsPath              e 40 02010000fde9                               WWWW-DD- the empty path is good
        AsPath              i 40 02010000fde9                               WWWW-DD-
        AsPath              o 40 0201fde9                                   WWWW-DD-
        NextHop             e 40 0a090002                                   WWWWWDD-
        Med                 e 80 0000002a                                   WWWWWDD-
        LocalPref           i 40 00000064                                   WWWWWDD-
        LocalPref           e 40 00000064                                   WWDDDDDD RFC 7606 §7.5: never from outside
        AtomicAggregate     e 40 -                                          WW.D-DD-
        Aggregator          e c0 0000fde90a090002                           WWDDDDD-
        Aggregator          o c0 fde90a090002                               WWDDDDD-
        Communities         e c0 fde80007                                   WWWWWDD-
        OriginatorId        i 80 0a000001                                   WWWWWDD-
        OriginatorId        e 80 0a000001                                   WWDDDDDD RFC 7606 §7.9
        ClusterList         i 80 0a000001                                   WWWWWDD-
        ClusterList         e 80 0a000001                                   WWDDDDDD RFC 7606 §7.10
        MpReach             e 80 0002011020010db8000900000000000000000002003020010db8a001 WWR-RRR- a zero more is ::/0
        MpUnreach           e 80 0002013020010db8a001                       WWR-RRR-
        ExtendedCommunities e c0 0002fde800000007                           WWWWWDD-
        As4Path             o c0 02010000fde9                               WWDDDDD-
        As4Path             e c0 02010000fde9                               WWDDDDDD RFC 6793 §4.1: not between new ones
        As4Aggregator       o c0 0000fde90a090002                           WWDDDDD-
        As4Aggregator       e c0 0000fde90a090002                           WWDDDDDD
        IPv6ExtendedCommunities e c0 000220010db8000000000000000000000000fde8 WWWWWDD-
        Aigp                e 80 01000b0000000000000001                     DDDD-DD- RFC 7311 §3.2
        LargeCommunities    e c0 0000fde80000000100000002                   WWWWWDD-
        OnlyToCustomer      e c0 0000fde9                                   WWWWWDD-
        99                  e c0 010203                                     R----DD- unknown: without the optional bit
        99                  e 80 010203                                     R----DD-
        """;

    public static TheoryData<string> Rows => [.. Table.Split('\n')];

    [Theory]
    [MemberData(nameof(Rows))]
    public void Damage_costs_what_the_rfc_says(string text)
    {
        var row = new Row(text);
        foreach ((string damage, byte[] attributes, char expected) in row.Cases())
        {
            var content = new UpdateContent();
            byte[] body = Row.Body(attributes);
            UpdateAction action = UpdateReader.Read(body, row.Context, content);
            Assert.True(Row.ActionOf(expected) == action, $"{text}: {damage}: {action}, {content.Problem}");
            Assert.Equal(action == UpdateAction.SessionReset, content.Fault is not null);
            // What is treated as a withdrawal must name the routes, and none may stay announced.
            Prefix beside = Prefix.Parse("198.18.1.0/24");
            bool there = content.Announced.Any(path => path.Prefix == beside);
            if (action != UpdateAction.SessionReset) Assert.Equal(action != UpdateAction.TreatAsWithdraw, there);
            if (action == UpdateAction.TreatAsWithdraw)
                Assert.Contains(content.Withdrawn, path => path.Prefix == beside);
        }
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void One_that_overruns_the_list_withdraws_the_routes_beside_it(string text)
    {
        var row = new Row(text);
        byte[] overrun = [.. row.Others(), row.Flags, row.Type, (byte)(row.Value.Length + 1), .. row.Value];
        var content = new UpdateContent();
        // RFC 7606 §4; the NLRI field is found by the list's own length.
        Assert.Equal(UpdateAction.TreatAsWithdraw, UpdateReader.Read(Row.Body(overrun), row.Context, content));
        // RFC 7606 §5.2: without routes beside it, they may be in the damaged part.
        Assert.Equal(
            UpdateAction.SessionReset, UpdateReader.Read(Row.Body(overrun, routes: []), row.Context, content));
    }

    [Fact]
    public void No_attribute_that_we_know_is_missing_in_the_table() => Assert.Equal(
        Enum.GetNames<AttributeType>().Order(),
        Table.Split('\n').Select(row => row.Split(' ')[0]).Distinct().Where(name => name != "99").Order());

    [Fact]
    public async Task The_session_lives_through_all_of_it_where_the_rfc_keeps_it()
    {
        await using HandmadePeer peer = new HandmadePeer(BothFamilies).Establish();
        var rows = Table.Split('\n').Select(text => new Row(text)).Where(row => row.Sender == 'e').ToArray();
        int sent = 0;
        foreach ((_, byte[] attributes, char expected) in rows.SelectMany(row => row.Cases()))
        {
            if (expected == 'R') continue;
            peer.Send(MessageType.Update, Row.Body(attributes));
            sent++;
        }

        HandmadePeer.Eventually(() => peer.Status.UpdatesIn == sent);
        Assert.Equal(SessionState.Established, peer.Status.State);
        Assert.InRange(peer.Status.MalformedIn, sent / 2, sent);
        Assert.True(peer.Status is { DiscardedIn: > 20, WithdrawnByFault: > 20 });
    }

    [Fact]
    public async Task Each_fault_that_ends_the_session_is_answered_with_its_subcode()
    {
        foreach (Row row in Table.Split('\n').Select(text => new Row(text)).Where(row => row.Sender == 'e'))
        {
            foreach ((string damage, byte[] attributes, char expected) in row.Cases())
            {
                if (expected != 'R') continue;
                await using HandmadePeer peer = new HandmadePeer(BothFamilies).Establish();
                peer.Send(MessageType.Update, Row.Body(attributes));
                Notification told = peer.ReceiveNotification();
                Assert.Equal(NotificationCode.Update, told.Code);
                byte subcode = damage == "twice" || damage == "empty behind" ? UpdateSubcode.MalformedAttributes
                    : row.Type == 99 ? UpdateSubcode.UnknownWellKnown
                    : UpdateSubcode.OptionalAttribute;
                Assert.Equal(subcode, told.Subcode);
            }
        }
    }

    private static PeerOptions BothFamilies(PeerOptions options) =>
        options with { Families = [BgpFamily.IPv4Unicast, BgpFamily.IPv6Unicast] };

    /// <summary>A row of the table.</summary>
    private sealed class Row
    {
        private readonly string outcomes;

        public Row(string text)
        {
            string[] cells = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            Type = (byte)Enum.Parse<AttributeType>(cells[0]); // A bare number is one too.
            Sender = cells[1][0];
            Flags = Convert.FromHexString(cells[2])[0];
            Value = cells[3] == "-" ? [] : Convert.FromHexString(cells[3]);
            outcomes = cells[4].Length == 8 ? cells[4] : cells[4] + cells[5];
            Assert.Equal(8, outcomes.Length);
        }

        public byte Type { get; }

        public char Sender { get; }

        public byte Flags { get; }

        public byte[] Value { get; }

        public UpdateContext Context => new(Sender != 'i', Sender != 'o', true, true);

        public IEnumerable<(string Damage, byte[] Attributes, char Expected)> Cases()
        {
            byte[] good = Attribute(Type, Flags, Value);
            byte[] others = Others();
            if (Value.Length > 0) yield return ("one short", With(Attribute(Type, Flags, Value[..^1])), outcomes[2]);
            yield return ("wrong optional", With(Attribute(Type, (byte)(Flags ^ 0x80), Value)), outcomes[0]);
            yield return ("wrong transitive", With(Attribute(Type, (byte)(Flags ^ 0x40), Value)), outcomes[1]);
            yield return ("one long", With(Attribute(Type, Flags, [.. Value, 0])), outcomes[3]);
            yield return ("empty", With(Attribute(Type, Flags, [])), outcomes[4]);
            yield return ("twice", [.. With(good), .. good], outcomes[5]);
            yield return ("empty behind", [.. With(good), .. Attribute(Type, Flags, [])], outcomes[6]);
            yield return ("first", [.. good, .. others], outcomes[7]);
            yield return ("last", [.. others, .. good], outcomes[7]);
            // Reserved bits of the flags and the partial bit mean nothing (RFC 4271 §4.3).
            yield return ("reserved bits", With(Attribute(Type, (byte)(Flags | 0x2f), Value)), outcomes[7]);
            byte[] extended = [(byte)(Flags | 0x10), Type, 0, (byte)Value.Length, .. Value];
            yield return ("extended length", With(extended), outcomes[7]);
        }

        /// <summary>The mandatory attributes but this one.</summary>
        public byte[] Others()
        {
            byte[] path = Sender == 'o' ? [2, 1, 0xfd, 0xe9] : [2, 1, 0, 0, 0xfd, 0xe9];
            byte[] origin = Attribute(1, 0x40, [0]), nextHop = Attribute(3, 0x40, [10, 9, 0, 2]);
            return
            [
                .. Type == 1 ? [] : origin,
                .. Type == 2 ? [] : Attribute(2, 0x40, path),
                .. Type == 3 ? [] : nextHop,
                .. Type == 5 || Sender != 'i' ? [] : Attribute(5, 0x40, [0, 0, 0, 100]),
            ];
        }

        public static byte[] Body(byte[] attributes, byte[]? routes = null) =>
        [
            0, 0, (byte)(attributes.Length >> 8), (byte)attributes.Length, .. attributes,
            .. routes ?? [24, 198, 18, 1],
        ];

        public static UpdateAction ActionOf(char letter) => letter switch
        {
            'D' => UpdateAction.AttributeDiscard,
            'W' => UpdateAction.TreatAsWithdraw,
            'R' => UpdateAction.SessionReset,
            _ => UpdateAction.Accept,
        };

        private byte[] With(byte[] attribute) => [.. Others(), .. attribute];

        private static byte[] Attribute(byte type, byte flags, byte[] value) =>
            [flags, type, (byte)value.Length, .. value];
    }
}
