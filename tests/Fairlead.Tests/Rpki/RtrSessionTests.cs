using Fairlead.Bgp.Rpki;
using Fairlead.Net.Addresses;

namespace Fairlead.Tests.Rpki;

/// <summary>The session without a socket: what a cache says, and what follows.</summary>
public class RtrSessionTests
{
    private static readonly RoaPayload One = new(Prefix.Parse("192.0.2.0/24"), 24, new Asn(64500));
    private static readonly RoaPayload Two = new(Prefix.Parse("2001:db8::/32"), 48, new Asn(64501));

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);

    private static RtrSession New(int payloadsMax = 100) => new(TimeSpan.FromDays(1), payloadsMax);

    /// <summary>Gives the session these octets, PDU by PDU; the last step.</summary>
    private static RtrStep Hear(RtrSession session, double now, params byte[][] pdus)
    {
        RtrStep step = default;
        foreach (byte[] bytes in pdus)
        {
            RtrReject reject = RtrPdu.TryRead(bytes, out RtrPdu pdu, out _);
            step = reject == RtrReject.None
                ? session.Received(pdu, bytes, At(now))
                : session.Rejected(reject, bytes);
        }

        return step;
    }

    /// <summary>A session that holds One, of session 7 and serial 1, at time 0.</summary>
    private static RtrSession Synced(uint refresh = 3600, uint retry = 600, uint expire = 7200)
    {
        RtrSession session = New();
        Assert.Equal(RtrPdu.ResetQuery(1), session.Connected(default).Send);
        RtrStep end = Hear(session, 0, RtrPduTests.Plain(RtrType.CacheResponse, 7), RtrPduTests.Prefix(One, true),
            RtrPduTests.EndOfData(7, 1, refresh, retry, expire));
        Assert.Equal([One], end.Publish!.All());
        Assert.Equal((RtrState.Synced, 1u, true), (session.State, session.Serial, session.HasData));
        return session;
    }

    private static IEnumerable<RoaPayload> Some(Random random) =>
        Enumerable.Range(0, random.Next(20)).Select(_ => OriginValidationTests.Any(random));

    private static RtrError ErrorOf(RtrStep step)
    {
        Assert.Equal(RtrReject.None, RtrPdu.TryRead(step.Send, out RtrPdu report, out _));
        Assert.Equal(RtrType.ErrorReport, report.Type);
        Assert.NotNull(step.Close);
        return report.Error;
    }

    [Fact]
    public void Nothing_is_published_before_the_end_of_data()
    {
        RtrSession session = New();
        session.Connected(default);

        RtrStep step = Hear(session, 0, RtrPduTests.Plain(RtrType.CacheResponse, 7), RtrPduTests.Prefix(One, true));

        Assert.Equal(default, step);
        Assert.Equal(RtrState.Receiving, session.State);
    }

    [Fact]
    public void A_notify_is_followed_by_a_query_for_what_has_changed()
    {
        RtrSession session = Synced();

        Assert.Equal(default, Hear(session, 5, RtrPduTests.Notify(7, 1))); // We have that.
        Assert.Equal(RtrPdu.SerialQuery(1, 7, 1), Hear(session, 5, RtrPduTests.Notify(7, 2)).Send);
        RtrStep end = Hear(session, 6, RtrPduTests.Plain(RtrType.CacheResponse, 7), RtrPduTests.Prefix(Two, true),
            RtrPduTests.Prefix(One, false), RtrPduTests.EndOfData(7, 2));

        Assert.Equal([Two], end.Publish!.All());
        Assert.Equal(2u, session.Serial);
    }

    [Fact]
    public void A_notify_in_the_middle_of_an_answer_is_followed_after_it()
    {
        RtrSession session = Synced();
        Hear(session, 5, RtrPduTests.Notify(7, 2));

        RtrStep end = Hear(session, 6, RtrPduTests.Plain(RtrType.CacheResponse, 7), RtrPduTests.Notify(7, 3),
            RtrPduTests.EndOfData(7, 2));

        Assert.Equal(RtrPdu.SerialQuery(1, 7, 2), end.Send);
    }

    [Fact]
    public void After_the_refresh_interval_it_asks_by_itself_and_after_a_cache_reset_for_everything()
    {
        RtrSession session = Synced(refresh: 100);
        Assert.Equal(At(100), session.NextTick);
        Assert.Equal(default, session.Tick(At(99)));
        Assert.Equal(RtrPdu.SerialQuery(1, 7, 1), session.Tick(At(100)).Send);

        Assert.Equal(RtrPdu.ResetQuery(1), Hear(session, 101, RtrPduTests.Plain(RtrType.CacheReset, 0)).Send);
        RtrStep end = Hear(session, 102, RtrPduTests.Plain(RtrType.CacheResponse, 8), RtrPduTests.Prefix(Two, true),
            RtrPduTests.EndOfData(8, 40));

        Assert.Equal([Two], end.Publish!.All());
    }

    [Fact]
    public void A_lost_connection_keeps_the_data_until_it_expires_and_the_next_asks_for_changes()
    {
        RtrSession session = Synced(refresh: 100, expire: 600);
        session.Disconnected();
        Assert.Equal(default, session.Tick(At(599)));
        Assert.Equal(RtrPdu.SerialQuery(1, 7, 1), session.Connected(At(599)).Send);
        session.Disconnected();

        RtrStep expired = session.Tick(At(600));

        Assert.Equal((0, false), (expired.Publish!.Count, session.HasData));
        Assert.Equal(RtrPdu.ResetQuery(1), session.Connected(At(700)).Send);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(4_000_000_000, 86_400)]
    [InlineData(50, 50)]
    public void Intervals_are_kept_within_what_the_rfc_allows(uint refresh, double seconds) =>
        Assert.Equal(At(seconds), Synced(refresh, expire: 172_800).NextTick);

    [Fact]
    public void An_old_cache_is_spoken_to_in_version_0()
    {
        RtrSession session = New();
        session.Connected(default);
        // Either it answers in its own version ...
        RtrStep end = Hear(session, 0, RtrPduTests.Plain(RtrType.CacheResponse, 7, version: 0),
            RtrPduTests.Prefix(One, true, version: 0), RtrPduTests.EndOfData(7, 1, version: 0));
        Assert.Equal([One], end.Publish!.All());
        Assert.Equal(RtrPdu.SerialQuery(0, 7, 1), session.Tick(At(3600)).Send);

        // ... or it says that it cannot, and the next connection begins with its version; the one after that does not.
        session = New();
        session.Connected(default);
        byte[] report = RtrPdu.ErrorReport(0, RtrError.UnsupportedVersion, RtrPdu.ResetQuery(1), "");
        RtrStep named = Hear(session, 0, report);
        Assert.NotNull(named.Close);
        Assert.True(named.Again);
        session.Disconnected();
        Assert.Equal(RtrPdu.ResetQuery(0), session.Connected(At(1)).Send);
        session.Disconnected();
        Assert.Equal(RtrPdu.ResetQuery(1), session.Connected(At(2)).Send);
    }

    [Fact]
    public void A_cache_that_calls_our_query_corrupt_is_asked_for_everything_and_the_data_kept_until_then()
    {
        RtrSession session = Synced();
        session.Disconnected();
        Assert.Equal(RtrPdu.SerialQuery(1, 7, 1), session.Connected(At(1)).Send);
        RtrStep refused = Hear(session, 1, RtrPdu.ErrorReport(1, RtrError.CorruptData, [], "session?"));
        Assert.Null(refused.Publish);
        Assert.True(refused.Again);
        session.Disconnected();

        Assert.Equal(RtrPdu.ResetQuery(1), session.Connected(At(2)).Send);
        Assert.True(session.HasData);
    }

    [Fact]
    public void A_cache_that_hangs_up_on_our_query_is_asked_for_everything()
    {
        RtrSession session = Synced();
        session.Disconnected();
        Assert.Equal(RtrPdu.SerialQuery(1, 7, 1), session.Connected(At(1)).Send);
        session.Disconnected();

        Assert.Equal(RtrPdu.ResetQuery(1), session.Connected(At(2)).Send);
        Assert.True(session.HasData);
    }

    [Fact]
    public void A_cache_without_data_is_asked_again_after_the_retry_interval()
    {
        RtrSession session = New();
        session.Connected(default);
        byte[] report = RtrPdu.ErrorReport(1, RtrError.NoDataAvailable, [], "");

        Assert.Equal(default, Hear(session, 1, report));
        Assert.Equal(RtrState.Waiting, session.State);
        Assert.Equal(RtrPdu.ResetQuery(1), session.Tick(At(601)).Send);
    }

    [Fact]
    public void A_silent_cache_is_left()
    {
        RtrSession session = New();
        session.Connected(default);
        Assert.NotNull(session.Tick(At(60)).Close);
    }

    [Fact]
    public void What_breaks_the_rules_ends_the_connection_with_the_error_that_the_rfc_names()
    {
        byte[] begin = RtrPduTests.Plain(RtrType.CacheResponse, 7), end = RtrPduTests.EndOfData(7, 2);
        byte[] notify = RtrPduTests.Notify(7, 2), announce = RtrPduTests.Prefix(One, true);
        Assert.Equal(RtrError.DuplicateAnnouncement, ErrorOf(Hear(Synced(), 1, notify, begin, announce, end)));
        Assert.Equal(RtrError.DuplicateAnnouncement, ErrorOf(Hear(
            Synced(), 1, notify, begin, RtrPduTests.Prefix(Two, true), RtrPduTests.Prefix(Two, true))));
        Assert.Equal(RtrError.WithdrawalOfUnknown, ErrorOf(Hear(
            Synced(), 1, notify, begin, RtrPduTests.Prefix(Two, false), end)));
        Assert.Equal(RtrError.CorruptData, ErrorOf(Hear(Synced(), 1, announce))); // Nobody has asked.
        Assert.Equal(RtrError.CorruptData, ErrorOf(Hear(Synced(), 1, end)));
        Assert.Equal(RtrError.UnexpectedVersion, ErrorOf(Hear(
            Synced(), 1, notify, RtrPduTests.Plain(RtrType.CacheResponse, 7, version: 0))));
        Assert.Equal(RtrError.UnsupportedType, ErrorOf(Hear(Synced(), 1, [1, 99, 0, 0, 0, 0, 0, 8])));
        Assert.Equal(RtrError.CorruptData, ErrorOf(Hear(Synced(), 1, [1, 3, 0, 0, 0, 0, 0, 9, 0])));
        // A report is not answered with one.
        Assert.Null(Hear(Synced(), 1, RtrPdu.ErrorReport(1, RtrError.InternalError, [], "sick")).Send);
    }

    [Fact]
    public void Another_sessions_data_voids_ours()
    {
        RtrSession session = Synced();
        RtrStep step = Hear(session, 1, RtrPduTests.Notify(7, 2), RtrPduTests.Plain(RtrType.CacheResponse, 9));

        Assert.Equal(RtrError.CorruptData, ErrorOf(step));
        Assert.Equal((0, false), (step.Publish!.Count, session.HasData));
    }

    [Fact]
    public void More_payloads_than_there_is_room_for_end_the_connection_and_publish_nothing()
    {
        RtrSession session = New(payloadsMax: 1);
        session.Connected(default);
        RtrStep step = Hear(session, 0, RtrPduTests.Plain(RtrType.CacheResponse, 7), RtrPduTests.Prefix(One, true),
            RtrPduTests.Prefix(Two, true));

        Assert.Equal(RtrError.InternalError, ErrorOf(step));
        Assert.Null(step.Publish);
    }

    [Fact]
    public void Whatever_a_cache_says_what_is_published_is_what_its_answers_add_up_to() => Property.Holds(300, random =>
    {
        RtrSession session = New(10_000);
        session.Connected(default);
        HashSet<RoaPayload> cache = [.. Some(random)];
        Hear(session, 0, RtrPduTests.Plain(RtrType.CacheResponse, 7));
        foreach (RoaPayload payload in cache) Hear(session, 0, RtrPduTests.Prefix(payload, true));
        RtrStep end = Hear(session, 0, RtrPduTests.EndOfData(7, 0));
        for (uint serial = 1; serial < 10; serial++)
        {
            Assert.Equal(cache.Order(), end.Publish!.All().Order());
            Hear(session, serial, RtrPduTests.Notify(7, serial), RtrPduTests.Plain(RtrType.CacheResponse, 7));
            foreach (RoaPayload payload in Some(random).Distinct().ToList())
                Hear(session, serial, RtrPduTests.Prefix(payload, cache.Add(payload) || !cache.Remove(payload)));
            end = Hear(session, serial, RtrPduTests.EndOfData(7, serial));
            Assert.Null(end.Close);
        }
    });

    [Fact]
    public void Noise_never_throws() => Property.Holds(2_000, random =>
    {
        RtrSession session = New();
        session.Connected(default);
        for (int i = 0; i < 30; i++)
        {
            byte[] pdu = random.Next(7) switch
            {
                0 => RtrPduTests.Plain((RtrType)random.Next(12), (ushort)random.Next(3), (byte)random.Next(3)),
                1 => RtrPduTests.EndOfData((ushort)random.Next(3), (uint)random.Next(3), version: (byte)random.Next(2)),
                2 => RtrPduTests.Notify((ushort)random.Next(3), (uint)random.Next(3)),
                3 => RtrPdu.ErrorReport((byte)random.Next(2), (RtrError)random.Next(10), [], ""),
                _ => RtrPduTests.Prefix(OriginValidationTests.Any(random), random.Next(2) == 0),
            };
            if (Hear(session, i * 100, pdu).Close is not null)
            {
                session.Disconnected();
                session.Connected(At(i * 100));
            }

            session.Tick(At(i * 100 * random.Next(3)));
        }
    });
}
